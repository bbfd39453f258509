import PlanIR
import Reference
import Testing

@Suite("Gradients of the reference")
struct GradientTests {
  @Test(
    "agree with central differences for every parameter and the input",
    arguments: SmallModel.allCases, [0, 0.25])
  func centralDifferences(small: SmallModel, dropout: Double) throws {
    let seed: UInt64 = 20_26
    let difference = try Difference(small, dropout: dropout, seed: seed)
    let run = try difference.run()
    for (instance, parameter, _) in ReferenceModel.instances(of: small.model) {
      let gradient = try #require(run.gradients[instance])
      try difference.check(gradient, "\(instance) \(parameter.dimensions), seed \(seed)") {
        $0.model.weights[instance, default: []]
      } write: {
        $0.model.weights[instance] = $1
      }
    }
    guard let gradient = run.inputGradient else { return }
    try difference.check(gradient, "features, seed \(seed)") {
      $0.input.features ?? []
    } write: {
      $0.input.features = $1
    }
  }

  @Test("are zero, as the loss, where every label is ignored", arguments: [SmallModel.gpt, .llama])
  func allIgnored(small: SmallModel) throws {
    var difference = try Difference(small, dropout: 0, seed: 7)
    difference.input.labels = [Int64](repeating: -100, count: SmallModel.workload.tokens)
    let run = try difference.run()
    #expect(run.loss == 0)
    #expect(run.gradients.count == ReferenceModel.instances(of: small.model).count)
    #expect(run.gradients.values.allSatisfy { $0.allSatisfy { $0 == 0 } })
  }

  @Test("are zero in rows of positions past the sequence")
  func unusedPositions() throws {
    let run = try Difference(.gpt, dropout: 0, seed: 3).run()
    let gradient = try #require(
      run.gradients[ParameterInstance(block: "embedding", parameter: "positions")])
    #expect(gradient.count == 9 * 8)
    #expect(gradient[(5 * 8)...].allSatisfy { $0 == 0 })
    #expect(gradient[..<(5 * 8)].contains { $0 != 0 })
  }
}

/// A small model with its weights and batch, to be run at and around a point.
private struct Difference {
  let seed: UInt64
  var model: ReferenceModel
  var input: ReferenceInput

  init(_ small: SmallModel, dropout: Double, seed: UInt64) throws {
    self.seed = seed
    var workload = SmallModel.workload
    workload.dropout = dropout
    model = try ReferenceModel(
      model: small.model, workload: workload, seed: seed, weights: small.weights(seed: seed))
    input = small.input(seed: seed)
  }

  func run() throws -> ReferenceRun { try model.run(input) }

  /// Compares `gradient` along a random direction and along one element with differences of
  /// fourth order: (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12 h.
  func check(
    _ gradient: [Double], _ place: String, read: (Difference) -> [Double],
    write: (inout Difference, [Double]) -> Void
  ) throws {
    let start = read(self)
    try #require(gradient.count == start.count, "\(place)")
    for direction in directions(start.count) {
      let step = 1e-3
      let losses = try [step, -step, 2 * step, -2 * step].map { distance in
        var moved = self
        write(&moved, zip(start, direction).map { $0 + distance * $1 })
        return try moved.model.loss(moved.input)
      }
      let measured = (8 * (losses[0] - losses[1]) - (losses[2] - losses[3])) / (12 * step)
      let expected = zip(gradient, direction).map { $0 * $1 }.reduce(0, +)
      #expect(
        abs(measured - expected) <= 1e-6 * max(abs(measured), abs(expected)) + 1e-10,
        "\(place): tape \(expected), differences \(measured)")
    }
  }

  private func directions(_ count: Int) -> [[Double]] {
    let random = SmallModel.draw(count, seed, "direction")
    let length = random.map { $0 * $0 }.reduce(0, +).squareRoot()
    return [random.map { $0 / length }, (0..<count).map { $0 == count / 3 ? 1 : 0 }]
  }
}
