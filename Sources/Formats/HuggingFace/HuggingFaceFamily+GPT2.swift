import PlanIR

extension HuggingFaceFamily {
  /// `GPT2LMHeadModel`: learned positions, LayerNorm before attention and MLP, one fused projection
  /// for query, key and value, `Conv1D` weights `[in, out]`, and a tied table.
  static let gpt2 = HuggingFaceFamily(modelType: "gpt2", architecture: "GPT2LMHeadModel") {
    config, name throws(FormatError) in
    try GPT2Architecture(config).model(name)
  }
}

extension GPT2Architecture {
  /// Reads the fields of `GPT2Config`.
  fileprivate init(_ config: JSONNode) throws(FormatError) {
    try config.refuseFlag(
      "scale_attn_by_inverse_layer_idx", because: "all layers must compute the same")
    try config.refuseFlag("add_cross_attention", because: "there is no encoder to attend to")
    hidden = try config.size(anyOf: ["n_embd", "hidden_size"])
    heads = try config.size(anyOf: ["n_head", "num_attention_heads"])
    layers = try config.size(anyOf: ["n_layer", "num_hidden_layers"], limit: ModelLimits.layers)
    positions = try config.size(anyOf: ["n_positions", "max_position_embeddings", "n_ctx"])
    vocabulary = try config.size("vocab_size")
    let inner = try config.optional("n_inner")
    wide = try inner?.positiveInteger(upTo: ModelLimits.dimension) ?? 4 * hidden
    epsilon = try config.epsilon("layer_norm_epsilon", default: 1e-5)
    activation = try config.activation("activation_function", default: .geluTanh)
    scales = try config.flag("scale_attn_weights", default: true)
    isTied = try config.flag("tie_word_embeddings", default: true)
    try config.requireMultiple("n_embd", hidden, of: heads, called: "n_head")
  }
}
