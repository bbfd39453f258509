import PlanIR

/// A decoder as Llama's: rotary positions, RMSNorm before attention and MLP, grouped key and value
/// heads, a gated MLP, weights `[out, in]`. Mistral and Qwen differ by the options.
struct LlamaArchitecture {
  var family: String
  var hidden: Int
  var heads: Int
  var keyValueHeads: Int
  var headWidth: Int
  var layers: Int
  var wide: Int
  var positions: Int
  var vocabulary: Int
  var epsilon: Double
  var activation: ActivationKind
  var rotary: RotarySettings
  /// Keys that a query sees; nil for all.
  var window: Int?
  var hasQueryKeyValueBias: Bool
  var hasOutputBias: Bool
  var hasMLPBias: Bool
  /// Whether queries and keys pass an RMSNorm over the head's width before they are rotated.
  var normalisesHeads: Bool
  /// Whether the head reads the embedding's table.
  var isTied: Bool

  /// The model, called `name`.
  func model(_ name: String) -> Model {
    let sizes = DimensionSizes([
      .hidden: hidden, .heads: heads, .keyValueHeads: keyValueHeads, .headWidth: headWidth,
      .wide: wide, .vocabulary: vocabulary,
    ])
    return Model(
      name: name, family: family, sizes: sizes, maximumSequence: positions,
      segments: [
        .init(count: 1, blocks: [embedding]),
        .init(count: layers, blocks: [attention, mlp]),
        .init(count: 1, blocks: [head]),
      ])
  }

  private var embedding: Block {
    var draft = BlockDraft("embedding", .embedding)
    draft.parameter("table", [.vocabulary, .hidden], "model.embed_tokens.weight")
    draft.operation(.embedding, ["table"], output: "output")
    return draft.block
  }

  private static let layer = "model.layers.{layer}."

  private var attention: Block {
    var draft = BlockDraft("attention", .attention)
    addNorm(to: &draft, Self.layer + "input_layernorm.weight")
    addProjection(to: &draft, "query", letter: "q", .heads)
    addProjection(to: &draft, "key", letter: "k", .keyValueHeads)
    addProjection(to: &draft, "value", letter: "v", .keyValueHeads)
    let query = addRotation(to: &draft, "query", letter: "q")
    let key = addRotation(to: &draft, "key", letter: "k")
    let settings = AttentionSettings(window: window, scale: 1 / Double(headWidth).squareRoot())
    draft.operation(.attention(settings), [query, key, "value"], output: "context")
    addLinear(
      to: &draft, "output", "context", [.hidden], [.heads, .headWidth],
      Self.layer + "self_attn.o_proj", bias: hasOutputBias, output: "projected")
    draft.operation(.add, [Block.streamInput, "projected"], output: "output")
    return draft.block
  }

  private func addProjection(
    to draft: inout BlockDraft, _ name: String, letter: String, _ heads: Dimension
  ) {
    addLinear(
      to: &draft, name, "norm", [heads, .headWidth], [.hidden],
      Self.layer + "self_attn.\(letter)_proj", bias: hasQueryKeyValueBias, output: name)
  }

  /// Normalises the heads of `name` where the family does, rotates them, and gives the name of the
  /// result.
  private func addRotation(
    to draft: inout BlockDraft, _ name: String, letter: String
  ) -> String {
    var input = name
    if normalisesHeads {
      let gain = "\(name).norm.gain"
      draft.parameter(gain, [.headWidth], Self.layer + "self_attn.\(letter)_norm.weight")
      draft.operation(.norm(.rms, epsilon: epsilon), [name, gain], output: "\(name).norm")
      input = "\(name).norm"
    }
    draft.operation(.rotary(rotary), [input], output: "\(name).rotated")
    return "\(name).rotated"
  }

  private var mlp: Block {
    var draft = BlockDraft("mlp", .mlp)
    addNorm(to: &draft, Self.layer + "post_attention_layernorm.weight")
    for name in ["gate", "up"] {
      addLinear(
        to: &draft, name, "norm", [.wide], [.hidden], Self.layer + "mlp.\(name)_proj",
        bias: hasMLPBias, output: name)
    }
    draft.operation(.gatedActivation(activation), ["gate", "up"], output: "activated")
    addLinear(
      to: &draft, "down", "activated", [.hidden], [.wide], Self.layer + "mlp.down_proj",
      bias: hasMLPBias, output: "projected")
    draft.operation(.add, [Block.streamInput, "projected"], output: "output")
    return draft.block
  }

  private var head: Block {
    var draft = BlockDraft("head", .head)
    addNorm(to: &draft, "model.norm.weight")
    if isTied {
      draft.borrow("embedding/table")
    } else {
      draft.parameter("weight", [.vocabulary, .hidden], "lm_head.weight")
    }
    draft.operation(.linear, ["norm", isTied ? "embedding/table" : "weight"], output: "logits")
    draft.operation(.crossEntropy, ["logits"], output: "loss")
    return draft.block
  }

  private func addNorm(to draft: inout BlockDraft, _ tensor: String) {
    draft.parameter("norm.gain", [.hidden], tensor)
    draft.operation(
      .norm(.rms, epsilon: epsilon), [Block.streamInput, "norm.gain"], output: "norm")
  }

  private func addLinear(
    to draft: inout BlockDraft, _ name: String, _ input: String, _ outer: [Dimension],
    _ inner: [Dimension], _ tensor: String, bias: Bool, output: String
  ) {
    draft.parameter("\(name).weight", outer + inner, tensor + ".weight")
    if bias { draft.parameter("\(name).bias", outer, tensor + ".bias") }
    let operands = [input, "\(name).weight"] + (bias ? ["\(name).bias"] : [])
    draft.operation(.linear, operands, output: output)
  }
}
