import PlanIR
import TestSupport
import Testing

@Suite struct GraphTests {
  private let workload = Workload(globalBatch: 8, sequence: 16)

  private func graph(_ model: Model, _ name: String, _ workload: Workload) throws -> BlockGraph {
    let chain = try GraphBuilder.chain(of: model, workload: workload)
    return try #require(chain.flatMap(\.blocks).first { $0.name == name })
  }

  private func text(_ gradients: GradientGraph) -> String {
    func names(_ values: [ValueID]) -> String {
      values.map { gradients.graph.values[$0].name }.joined(separator: ", ")
    }
    var lines: [String] = []
    for phase in [Phase.forward, .inputGradient, .weightGradient] {
      lines.append(phase.rawValue)
      for operation in gradients.operations(of: phase) {
        lines.append(
          "  \(operation.kind.name) (\(names(operation.inputs))) -> (\(names(operation.outputs)))")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  @Test(arguments: ["embedding", "attention", "mlp", "head"], [false, true])
  func `a block and its derivative are as kept`(name: String, isLlama: Bool) throws {
    let sample = SampleModel()
    let model = isLlama ? sample.llama() : sample.gpt2()
    let gradients = GradientGraph(of: try graph(model, name, workload))
    try Golden.check(text(gradients), "graph-\(isLlama ? "llama" : "gpt2")-\(name).txt")
  }

  @Test func `unfused attention with dropout stores what its backward pass reads`() throws {
    var workload = workload
    workload.attention = .unfused
    workload.dropout = 0.1
    let gradients = GradientGraph(of: try graph(SampleModel().gpt2(), "attention", workload))
    try Golden.check(text(gradients), "graph-gpt2-attention-unfused.txt")
  }

  @Test func `a linear whose weight does not fit is refused with its place`() throws {
    var model = SampleModel().gpt2()
    model.segments[1].blocks[0].parameters[2].dimensions = [.wide, .heads, .headWidth]
    let error = #expect(throws: ModelError.self) {
      try GraphBuilder.chain(of: model, workload: workload)
    }
    #expect(try #require(error).description.contains("block attention, operation `query`"))
  }

  @Test func `a value that is not defined is refused by name`() throws {
    var model = SampleModel().gpt2()
    model.segments[1].blocks[1].operations[0].inputs[0] = "nowhere"
    let error = #expect(throws: ModelError.self) {
      try GraphBuilder.chain(of: model, workload: workload)
    }
    #expect(try #require(error).description.contains("`nowhere`"))
  }

  @Test func `parameters are counted without padding and a tied table once`() {
    let tied = SampleModel().gpt2()
    var other = SampleModel()
    other.isTied = false
    #expect(other.gpt2().parameterCount - tied.parameterCount == 50 * 32)
    #expect(other.gpt2().matmulWeightCount == tied.matmulWeightCount)
  }
}
