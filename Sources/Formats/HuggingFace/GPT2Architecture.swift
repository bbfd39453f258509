import PlanIR

/// A GPT-2 of any size, and the model it stands for.
struct GPT2Architecture {
  var hidden: Int
  var heads: Int
  var layers: Int
  var wide: Int
  var positions: Int
  var vocabulary: Int
  var epsilon: Double
  var activation: ActivationKind
  /// Whether products of queries and keys are divided by the root of the head width.
  var scales: Bool
  /// Whether the head reads the embedding's table.
  var isTied: Bool

  /// The model, called `name`.
  func model(_ name: String) -> Model {
    let sizes = DimensionSizes([
      .hidden: hidden, .heads: heads, .keyValueHeads: heads, .headWidth: hidden / heads,
      .wide: wide, .vocabulary: vocabulary, .positions: positions,
    ])
    return Model(
      name: name, family: "gpt2", sizes: sizes, maximumSequence: positions,
      segments: [
        .init(count: 1, blocks: [embedding]),
        .init(count: layers, blocks: [attention, mlp]),
        .init(count: 1, blocks: [head]),
      ])
  }

  private var embedding: Block {
    var draft = BlockDraft("embedding", .embedding)
    draft.parameter("table", [.vocabulary, .hidden], "transformer.wte.weight")
    draft.parameter("positions", [.positions, .hidden], "transformer.wpe.weight")
    draft.operation(.embedding, ["table"], output: "token")
    draft.operation(.positionEmbedding, ["token", "positions"], output: "positioned")
    draft.operation(.dropout, ["positioned"], output: "output")
    return draft.block
  }

  private var attention: Block {
    var draft = BlockDraft("attention", .attention)
    addNorm(to: &draft, "transformer.h.{layer}.ln_1")
    for (index, name) in ["query", "key", "value"].enumerated() {
      addProjection(to: &draft, name, index: index)
    }
    let scale = scales ? 1 / Double(hidden / heads).squareRoot() : 1
    draft.operation(
      .attention(AttentionSettings(scale: scale)), ["query", "key", "value"], output: "context")
    let tensor = "transformer.h.{layer}.attn.c_proj"
    draft.parameter("output.weight", [.heads, .headWidth, .hidden], tensor + ".weight")
    draft.parameter("output.bias", [.hidden], tensor + ".bias")
    draft.operation(
      .linear, ["context", "output.weight", "output.bias"], output: "projected")
    addResidual(to: &draft)
    return draft.block
  }

  /// Query, key or value: the third number `index` of the fused projection's columns.
  private func addProjection(to draft: inout BlockDraft, _ name: String, index: Int) {
    let columns: [Dimension] = [index == 0 ? .heads : .keyValueHeads, .headWidth]
    let tensor = "transformer.h.{layer}.attn.c_attn"
    let (offset, total) = (index * hidden, 3 * hidden)
    draft.parameter(
      "\(name).weight", [.hidden] + columns, tensor + ".weight",
      part: .init(axis: 1, offset: offset, total: total))
    draft.parameter(
      "\(name).bias", columns, tensor + ".bias",
      part: .init(axis: 0, offset: offset, total: total))
    draft.operation(.linear, ["norm", "\(name).weight", "\(name).bias"], output: name)
  }

  private var mlp: Block {
    var draft = BlockDraft("mlp", .mlp)
    addNorm(to: &draft, "transformer.h.{layer}.ln_2")
    let tensor = "transformer.h.{layer}.mlp."
    draft.parameter("up.weight", [.hidden, .wide], tensor + "c_fc.weight")
    draft.parameter("up.bias", [.wide], tensor + "c_fc.bias")
    draft.parameter("down.weight", [.wide, .hidden], tensor + "c_proj.weight")
    draft.parameter("down.bias", [.hidden], tensor + "c_proj.bias")
    draft.operation(.linear, ["norm", "up.weight", "up.bias"], output: "up")
    draft.operation(.activation(activation), ["up"], output: "activated")
    draft.operation(.linear, ["activated", "down.weight", "down.bias"], output: "projected")
    addResidual(to: &draft)
    return draft.block
  }

  private var head: Block {
    var draft = BlockDraft("head", .head)
    addNorm(to: &draft, "transformer.ln_f")
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
    draft.parameter("norm.gain", [.hidden], tensor + ".weight")
    draft.parameter("norm.bias", [.hidden], tensor + ".bias")
    draft.operation(
      .norm(.layer, epsilon: epsilon), [Block.streamInput, "norm.gain", "norm.bias"],
      output: "norm")
  }

  private func addResidual(to draft: inout BlockDraft) {
    draft.operation(.dropout, ["projected"], output: "dropped")
    draft.operation(.add, [Block.streamInput, "dropped"], output: "output")
  }
}
