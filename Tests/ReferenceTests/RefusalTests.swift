import PlanIR
import Reference
import Testing

@Suite("The reference refuses")
struct RefusalTests {
  private func run(
    _ model: Model = SmallModel.gpt.model, change: (inout ReferenceInput) -> Void = { _ in }
  ) throws {
    var input = SmallModel.gpt.input(seed: 1)
    change(&input)
    _ = try ReferenceModel(
      model: model, workload: SmallModel.workload, seed: 1, weights: SmallModel.gpt.weights(seed: 1)
    ).run(input)
  }

  private func text(_ body: () throws -> Void) -> String {
    do throws {
      try body()
      return "no error"
    } catch { return "\(error)" }
  }

  @Test("a token past the vocabulary")
  func token() {
    #expect(text { try run { $0.tokens[2] = 11 } } == "tokens: expected ids in 0..<11, found 11")
  }

  @Test("a label that is neither a token nor ignored")
  func label() {
    #expect(
      text { try run { $0.labels[0] = -1 } }
        == "labels: expected ids in 0..<11 or -100, found -1")
  }

  @Test("weights that are missing")
  func weights() {
    #expect(
      text { try run(SmallModel.llama.model) }
        == "parameter attention/q#0: expected weights of shape [4, 4, 8], found 64 elements")
  }

  @Test("an operation that reads a value not there")
  func unknownName() {
    var model = SmallModel.gpt.model
    model.segments[1].blocks[1].operations[0].inputs[0] = "nothing"
    #expect(
      text { try run(model) }
        == "block mlp, operation `n`: expected a value, parameter or `input` defined before, "
        + "found `nothing`")
  }
}
