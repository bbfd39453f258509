import PlanIR
import Testing

/// A checkpoint of names alone.
private struct NamedTensors: TensorSource {
  let tensors: [TensorDescription]

  init(_ names: [String]) {
    tensors = names.sorted().map { TensorDescription(name: $0, shape: [1], dtype: .float32) }
  }

  func description(of name: String) -> TensorDescription? { tensors.first { $0.name == name } }
  func read(_ name: String, range: Range<Int>, into output: UnsafeMutableBufferPointer<Double>) {}
  func readIntegers(
    _ name: String, range: Range<Int>, into output: UnsafeMutableBufferPointer<Int64>
  ) {}
}

@Suite struct CheckpointWeightsTests {
  private let model = Model(
    name: "pair", family: "odd", sizes: DimensionSizes(), maximumSequence: 4,
    segments: [
      Model.Segment(
        count: 2,
        blocks: [
          Block(
            name: "m", blockClass: .mlp,
            parameters: [
              Parameter(
                name: "w", dimensions: [.wide, .hidden], initial: .bias,
                checkpoint: CheckpointSlice("model.layers.{layer}.w"))
            ], operations: [], output: "w")
        ])
    ])

  private func weights(_ names: [String]) throws -> CheckpointWeights {
    try CheckpointWeights(NamedTensors(names), of: model)
  }

  @Test func `a model's tensors are those of all its layers`() {
    #expect(model.checkpointNames == ["model.layers.0.w", "model.layers.1.w"])
  }

  @Test func `tensors may lack the prefix, and masks and a tied head lie beside them`() throws {
    _ = try weights(["model.layers.0.w", "model.layers.1.w"])
    _ = try weights(["layers.0.w", "layers.1.w", "lm_head.weight"])
    _ = try weights([
      "model.layers.0.w", "h.0.attn.bias", "h.0.attn.masked_bias",
      "model.layers.0.self_attn.rotary_emb.inv_freq",
    ])
  }

  @Test(arguments: ["model.layers.2.w", "layers.0.w.bias", "foo", "h.0.attn.c_attn.bias"])
  func `a tensor that the model has not makes the checkpoint another model's`(_ name: String) {
    let error = #expect(throws: WeightError.self) {
      try weights(["model.layers.0.w", name, "zzz"])
    }
    #expect(error?.tensor == name && error?.description.contains("and 1 more") == true)
  }
}
