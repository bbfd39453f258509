import PlanIR
import Reference
import Testing

@Suite("Updates of the reference")
struct UpdateTests {
  private let small = SmallModel.gpt

  private func run(_ optimizer: Optimizer, steps: Int, rate: Double) throws -> ReferenceRun {
    var workload = SmallModel.workload
    workload.optimizer = optimizer
    workload.dropout = 0.1
    return try ReferenceModel(
      model: small.model, workload: workload, seed: 9, weights: small.weights(seed: 9)
    ).run(small.input(seed: 9), steps: steps, learningRate: rate)
  }

  @Test("of SGD are the gradient times the learning rate")
  func sgd() throws {
    let run = try run(.sgd, steps: 1, rate: 0.1)
    for (instance, before) in small.weights(seed: 9) {
      let after = try #require(run.parameters[instance])
      let gradient = try #require(run.gradients[instance])
      for index in before.indices {
        #expect(after[index] == before[index] - 0.1 * gradient[index])
      }
    }
  }

  @Test("of AdamW's first step are the decay and the gradient's sign")
  func adamw() throws {
    let run = try run(.adamw, steps: 1, rate: 0.01)
    for (instance, before) in small.weights(seed: 9) {
      let after = try #require(run.parameters[instance])
      let gradient = try #require(run.gradients[instance])
      for index in before.indices {
        // Corrected moments of one gradient g are g and g squared.
        let direction = gradient[index] / (abs(gradient[index]) + 1e-8)
        let expected = before[index] * (1 - 0.01 * 0.01) - 0.01 * direction
        #expect(abs(after[index] - expected) < 1e-12, "\(instance)[\(index)]")
      }
    }
  }

  @Test("of AdamW's second step weigh both gradients by the betas")
  func adamwTwice() throws {
    let first = try run(.adamw, steps: 1, rate: 0.01)
    let between = try ReferenceModel(
      model: small.model, workload: dropoutWorkload, seed: 9, weights: first.parameters
    ).run(small.input(seed: 9))
    let second = try run(.adamw, steps: 2, rate: 0.01)
    #expect(second.losses == [first.loss, between.loss])
    #expect(second.loss == first.loss && second.gradients == first.gradients)
    for (instance, before) in first.parameters {
      let after = try #require(second.parameters[instance])
      let one = try #require(first.gradients[instance])
      let two = try #require(between.gradients[instance])
      for index in before.indices {
        let moment = (0.09 * one[index] + 0.1 * two[index]) / 0.19
        let squares = 0.000999 * one[index] * one[index] + 0.001 * two[index] * two[index]
        let direction = moment / ((squares / 0.001999).squareRoot() + 1e-8)
        let expected = before[index] * (1 - 0.01 * 0.01) - 0.01 * direction
        #expect(abs(after[index] - expected) < 1e-12, "\(instance)[\(index)]")
      }
    }
  }

  private var dropoutWorkload: Workload {
    var workload = SmallModel.workload
    workload.dropout = 0.1
    return workload
  }
}
