import PlanIR

extension Parameter {
  fileprivate init(_ name: String, _ dimensions: [Dimension]) {
    self.init(
      name: name, dimensions: dimensions, initial: InitialValue(deviation: 0.3),
      checkpoint: CheckpointSlice(name))
  }

  fileprivate static func gain(_ name: String, _ dimension: Dimension) -> Parameter {
    Parameter(
      name: name, dimensions: [dimension], initial: .gain, checkpoint: CheckpointSlice(name))
  }
}

extension Block {
  static func embedding(positions: Bool) -> Block {
    var block = Block(
      name: "embedding", blockClass: .embedding,
      parameters: [Parameter("table", [.vocabulary, .hidden])],
      operations: [.init(.embedding, ["table"], output: "rows")], output: "x")
    if positions {
      block.parameters.append(Parameter("positions", [.positions, .hidden]))
      block.operations.append(.init(.positionEmbedding, ["rows", "positions"], output: "sum"))
    }
    let last = positions ? "sum" : "rows"
    block.operations.append(.init(.dropout, [last], output: "x"))
    return block
  }

  static func gptAttention(causal: Bool) -> Block {
    let heads: [Dimension] = [.heads, .headWidth]
    let keys: [Dimension] = [.keyValueHeads, .headWidth]
    return Block(
      name: "attention", blockClass: .attention,
      parameters: [
        .gain("norm", .hidden), Parameter("norm.bias", [.hidden]),
        Parameter("q", [.hidden] + heads), Parameter("q.bias", heads),
        Parameter("k", [.hidden] + keys), Parameter("k.bias", keys),
        Parameter("v", [.hidden] + keys), Parameter("v.bias", keys),
        Parameter("o", heads + [.hidden]), Parameter("o.bias", [.hidden]),
      ],
      operations: [
        .init(.norm(.layer, epsilon: 1e-5), ["input", "norm", "norm.bias"], output: "n"),
        .init(.linear, ["n", "q", "q.bias"], output: "query"),
        .init(.linear, ["n", "k", "k.bias"], output: "key"),
        .init(.linear, ["n", "v", "v.bias"], output: "value"),
        .init(
          .attention(.init(causal: causal, scale: 0.5)), ["query", "key", "value"],
          output: "context"),
        .init(.linear, ["context", "o", "o.bias"], output: "projected"),
        .init(.dropout, ["projected"], output: "dropped"),
        .init(.add, ["input", "dropped"], output: "out"),
      ],
      output: "out")
  }

  static func gptMLP(_ activation: ActivationKind) -> Block {
    Block(
      name: "mlp", blockClass: .mlp,
      parameters: [
        .gain("norm", .hidden), Parameter("norm.bias", [.hidden]),
        Parameter("up", [.hidden, .wide]), Parameter("up.bias", [.wide]),
        Parameter("down", [.wide, .hidden]), Parameter("down.bias", [.hidden]),
      ],
      operations: [
        .init(.norm(.layer, epsilon: 1e-5), ["input", "norm", "norm.bias"], output: "n"),
        .init(.linear, ["n", "up", "up.bias"], output: "u"),
        .init(.activation(activation), ["u"], output: "a"),
        .init(.linear, ["a", "down", "down.bias"], output: "d"),
        .init(.add, ["input", "d"], output: "out"),
      ],
      output: "out")
  }

  static let tiedHead = Block(
    name: "head", blockClass: .head,
    parameters: [.gain("norm", .hidden), Parameter("norm.bias", [.hidden])],
    borrowed: ["embedding/table"],
    operations: [
      .init(.norm(.layer, epsilon: 1e-5), ["input", "norm", "norm.bias"], output: "n"),
      .init(.linear, ["n", "embedding/table"], output: "logits"),
      .init(.crossEntropy, ["logits"], output: "loss"),
    ],
    output: "loss")

  static func llamaAttention(_ rotary: RotarySettings, _ window: Int?) -> Block {
    let heads: [Dimension] = [.heads, .headWidth]
    let keys: [Dimension] = [.keyValueHeads, .headWidth]
    return Block(
      name: "attention", blockClass: .attention,
      parameters: [
        .gain("norm", .hidden), Parameter("q", heads + [.hidden]), Parameter("q.bias", heads),
        Parameter("k", keys + [.hidden]), Parameter("k.bias", keys),
        Parameter("v", keys + [.hidden]), Parameter("v.bias", keys),
        .gain("q.norm", .headWidth), .gain("k.norm", .headWidth),
        Parameter("o", [.hidden] + heads),
      ],
      operations: [
        .init(.norm(.rms, epsilon: 1e-6), ["input", "norm"], output: "n"),
        .init(.linear, ["n", "q", "q.bias"], output: "q0"),
        .init(.linear, ["n", "k", "k.bias"], output: "k0"),
        .init(.linear, ["n", "v", "v.bias"], output: "value"),
        .init(.norm(.rms, epsilon: 1e-6), ["q0", "q.norm"], output: "q1"),
        .init(.norm(.rms, epsilon: 1e-6), ["k0", "k.norm"], output: "k1"),
        .init(.rotary(rotary), ["q1"], output: "query"),
        .init(.rotary(rotary), ["k1"], output: "key"),
        .init(
          .attention(.init(window: window, scale: 0.5)), ["query", "key", "value"],
          output: "context"),
        .init(.linear, ["context", "o"], output: "projected"),
        .init(.add, ["input", "projected"], output: "out"),
      ],
      output: "out")
  }

  static let llamaMLP = Block(
    name: "mlp", blockClass: .mlp,
    parameters: [
      .gain("norm", .hidden), Parameter("gate", [.wide, .hidden]),
      Parameter("up", [.wide, .hidden]), Parameter("down", [.hidden, .wide]),
    ],
    operations: [
      .init(.norm(.rms, epsilon: 1e-6), ["input", "norm"], output: "n"),
      .init(.linear, ["n", "gate"], output: "g"),
      .init(.linear, ["n", "up"], output: "u"),
      .init(.gatedActivation(.silu), ["g", "u"], output: "a"),
      .init(.linear, ["a", "down"], output: "d"),
      .init(.add, ["input", "d"], output: "out"),
    ],
    output: "out")

  static let untiedHead = Block(
    name: "head", blockClass: .head,
    parameters: [.gain("norm", .hidden), Parameter("output", [.vocabulary, .hidden])],
    operations: [
      .init(.norm(.rms, epsilon: 1e-6), ["input", "norm"], output: "n"),
      .init(.linear, ["n", "output"], output: "logits"),
      .init(.crossEntropy, ["logits"], output: "loss"),
    ],
    output: "loss")
}
