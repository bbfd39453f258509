package import PlanIR

/// Small models of both families for tests, with every kind of parameter they have.
package struct SampleModel: Sendable {
  package var name = "sample"
  package var hidden = 32
  package var heads = 8
  package var keyValueHeads = 8
  package var headWidth = 4
  package var wide = 64
  package var vocabulary = 50
  package var positions = 16
  package var layers = 2
  package var isTied = true
  /// RMSNorm over each head's query and key (qwen3).
  package var normalisesHeads = false
  package var hasAttentionBias = true
  package var hasEmbedding = true
  package var hasHead = true
  package var causal = true
  /// How far back a query sees (mistral); nil for all the way.
  package var window: Int?

  package init() {}

  /// The GPT-2 family: LayerNorm, learned positions, GELU, biases.
  package func gpt2() -> Model { model(family: "gpt2", isLlama: false) }

  /// The Llama family: RMSNorm, rotary positions, SwiGLU.
  package func llama() -> Model { model(family: "llama", isLlama: true) }

  private func model(family: String, isLlama: Bool) -> Model {
    var sizes = DimensionSizes([
      .hidden: hidden, .heads: heads, .keyValueHeads: keyValueHeads, .headWidth: headWidth,
      .wide: wide, .vocabulary: vocabulary,
    ])
    if !isLlama { sizes[.positions] = positions }
    var segments: [Model.Segment] = []
    if hasEmbedding { segments.append(.init(count: 1, blocks: [embedding(isLlama)])) }
    segments.append(.init(count: layers, blocks: [attention(isLlama), feedForward(isLlama)]))
    if hasHead { segments.append(.init(count: 1, blocks: [head(isLlama)])) }
    return Model(
      name: name, family: family, sizes: sizes, maximumSequence: positions, segments: segments)
  }

  private func weight(_ name: String, _ dimensions: [Dimension], _ deviation: Double) -> Parameter {
    Parameter(
      name: name, dimensions: dimensions, initial: InitialValue(deviation: deviation),
      checkpoint: CheckpointSlice("layers.{layer}.\(name)"))
  }

  private func vector(_ name: String, _ dimensions: [Dimension], _ initial: InitialValue)
    -> Parameter
  {
    Parameter(
      name: name, dimensions: dimensions, initial: initial,
      checkpoint: CheckpointSlice("layers.{layer}.\(name)"))
  }

  private func norm(_ prefix: String, _ isLlama: Bool, _ dimension: Dimension = .hidden)
    -> [Parameter]
  {
    [vector(prefix + ".gain", [dimension], .gain)]
      + (isLlama ? [] : [vector(prefix + ".bias", [dimension], .bias)])
  }

  private func normalise(_ x: String, _ prefix: String, _ isLlama: Bool) -> ModelOperation {
    ModelOperation(
      .norm(isLlama ? .rms : .layer, epsilon: 1e-5),
      [x, prefix + ".gain"] + (isLlama ? [] : [prefix + ".bias"]), output: prefix)
  }

  private func embedding(_ isLlama: Bool) -> Block {
    var operations = [ModelOperation(.embedding, ["table"], output: "x")]
    var parameters = [weight("table", [.vocabulary, .hidden], 0.5)]
    if !isLlama {
      parameters.append(weight("positions", [.positions, .hidden], 0.1))
      operations.append(
        ModelOperation(.positionEmbedding, ["x", "positions"], output: "placed"))
      operations.append(ModelOperation(.dropout, ["placed"], output: "dropped"))
    }
    return Block(
      name: "embedding", blockClass: .embedding, parameters: parameters, operations: operations,
      output: isLlama ? "x" : "dropped")
  }

  private func attention(_ isLlama: Bool) -> Block {
    let spread = 1 / Double(hidden).squareRoot()
    let queries: [Dimension] = [.heads, .headWidth]
    let keys: [Dimension] = [.keyValueHeads, .headWidth]
    var parameters = norm("norm", isLlama)
    var operations = [normalise(Block.streamInput, "norm", isLlama)]
    for (name, outer) in [("query", queries), ("key", keys), ("value", keys)] {
      let dimensions = isLlama ? outer + [.hidden] : [.hidden] + outer
      parameters.append(weight(name + ".weight", dimensions, spread))
      if hasAttentionBias { parameters.append(vector(name + ".bias", outer, .bias)) }
      operations.append(
        ModelOperation(
          .linear, ["norm", name + ".weight"] + (hasAttentionBias ? [name + ".bias"] : []),
          output: name))
    }
    var (query, key) = ("query", "key")
    if normalisesHeads {
      for name in [query, key] {
        parameters.append(vector(name + ".norm.gain", [.headWidth], .gain))
        operations.append(
          ModelOperation(
            .norm(.rms, epsilon: 1e-6), [name, name + ".norm.gain"], output: name + ".norm"))
      }
      (query, key) = ("query.norm", "key.norm")
    }
    if isLlama {
      let rotary = RotarySettings(theta: 10000, width: headWidth)
      for name in [query, key] {
        operations.append(ModelOperation(.rotary(rotary), [name], output: name + ".rotated"))
      }
      (query, key) = (query + ".rotated", key + ".rotated")
    }
    let settings = AttentionSettings(
      causal: causal, window: window, scale: 1 / Double(headWidth).squareRoot())
    operations.append(
      ModelOperation(.attention(settings), [query, key, "value"], output: "context"))
    let outer: [Dimension] = isLlama ? [.hidden] + queries : queries + [.hidden]
    parameters.append(weight("out.weight", outer, spread))
    var inputs = ["context", "out.weight"]
    if !isLlama {
      parameters.append(vector("out.bias", [.hidden], .bias))
      inputs.append("out.bias")
    }
    operations.append(ModelOperation(.linear, inputs, output: "projected"))
    return residual("attention", .attention, parameters, operations, "projected", isLlama)
  }

  private func residual(
    _ name: String, _ blockClass: BlockClass, _ parameters: [Parameter],
    _ operations: [ModelOperation], _ last: String, _ isLlama: Bool
  ) -> Block {
    var operations = operations
    var result = last
    if !isLlama {
      operations.append(ModelOperation(.dropout, [last], output: last + ".dropped"))
      result = last + ".dropped"
    }
    operations.append(ModelOperation(.add, [Block.streamInput, result], output: "output"))
    return Block(
      name: name, blockClass: blockClass, parameters: parameters.map { inBlock($0, name) },
      operations: operations, output: "output")
  }

  /// Two blocks of a layer have norms of one name; their checkpoint tensors must differ.
  private func inBlock(_ parameter: Parameter, _ block: String) -> Parameter {
    var parameter = parameter
    parameter.checkpoint.tensor = "layers.{layer}.\(block).\(parameter.name)"
    return parameter
  }

  private func feedForward(_ isLlama: Bool) -> Block {
    let inner = 1 / Double(hidden).squareRoot()
    let outer = 1 / Double(wide).squareRoot()
    var parameters = norm("norm", isLlama)
    var operations = [normalise(Block.streamInput, "norm", isLlama)]
    if isLlama {
      parameters += [
        weight("gate.weight", [.wide, .hidden], inner),
        weight("up.weight", [.wide, .hidden], inner),
        weight("down.weight", [.hidden, .wide], outer),
      ]
      operations += [
        ModelOperation(.linear, ["norm", "gate.weight"], output: "gate"),
        ModelOperation(.linear, ["norm", "up.weight"], output: "up"),
        ModelOperation(.gatedActivation(.silu), ["gate", "up"], output: "active"),
        ModelOperation(.linear, ["active", "down.weight"], output: "down"),
      ]
    } else {
      parameters += [
        weight("up.weight", [.hidden, .wide], inner), vector("up.bias", [.wide], .bias),
        weight("down.weight", [.wide, .hidden], outer), vector("down.bias", [.hidden], .bias),
      ]
      operations += [
        ModelOperation(.linear, ["norm", "up.weight", "up.bias"], output: "up"),
        ModelOperation(.activation(.geluTanh), ["up"], output: "active"),
        ModelOperation(.linear, ["active", "down.weight", "down.bias"], output: "down"),
      ]
    }
    return residual("mlp", .mlp, parameters, operations, "down", isLlama)
  }

  private func head(_ isLlama: Bool) -> Block {
    var parameters = norm("norm", isLlama)
    let isBorrowed = isTied && hasEmbedding
    let table = isBorrowed ? "embedding/table" : "table"
    if !isBorrowed { parameters.append(weight("table", [.vocabulary, .hidden], 0.2)) }
    return Block(
      name: "head", blockClass: .head, parameters: parameters.map { inBlock($0, "head") },
      borrowed: isBorrowed ? [table] : [],
      operations: [
        normalise(Block.streamInput, "norm", isLlama),
        ModelOperation(.linear, ["norm", table], output: "logits"),
        ModelOperation(.crossEntropy, ["logits"], output: "loss"),
      ], output: "loss")
  }
}
