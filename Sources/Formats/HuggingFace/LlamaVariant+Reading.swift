import PlanIR

extension LlamaVariant {
  /// The family that this variant reads.
  func family(architecture: String) -> HuggingFaceFamily {
    HuggingFaceFamily(modelType: modelType, architecture: architecture) {
      config, name throws(FormatError) in
      try self.architecture(config).model(name)
    }
  }

  private func architecture(_ config: JSONNode) throws(FormatError) -> LlamaArchitecture {
    let hidden = try config.size("hidden_size")
    let heads = try config.size("num_attention_heads")
    let layers = try config.size("num_hidden_layers", limit: ModelLimits.layers)
    let headWidth = try headWidth(config, hidden: hidden, heads: heads)
    let positions = try config.size("max_position_embeddings")
    let statedBias = try config.flag("attention_bias", default: false)
    let statedMLPBias = try config.flag("mlp_bias", default: false)
    let attentionBias = bias == .stated && statedBias
    return LlamaArchitecture(
      family: modelType, hidden: hidden, heads: heads,
      keyValueHeads: try keyValueHeads(config, heads: heads), headWidth: headWidth,
      layers: layers, wide: try config.size("intermediate_size"), positions: positions,
      vocabulary: try config.size("vocab_size"),
      epsilon: try config.epsilon("rms_norm_eps", default: 1e-6),
      activation: try config.activation("hidden_act", default: .silu),
      rotary: try config.rotary(width: headWidth, positions: positions),
      window: try window(config, layers: layers, positions: positions),
      hasQueryKeyValueBias: bias == .queryKeyValue || attentionBias,
      hasOutputBias: attentionBias,
      hasMLPBias: hasMLPBiasField && statedMLPBias,
      normalisesHeads: normalisesHeads,
      isTied: try config.flag("tie_word_embeddings", default: false))
  }

  private func keyValueHeads(_ config: JSONNode, heads: Int) throws(FormatError) -> Int {
    let name = "num_key_value_heads"
    let standard = try config.states(name) ? heads : keyValueHeads ?? heads
    let count = try config.optional(name)?.positiveInteger(upTo: heads) ?? standard
    try config.requireMultiple("num_attention_heads", heads, of: count, called: name)
    return count
  }

  private func headWidth(
    _ config: JSONNode, hidden: Int, heads: Int
  ) throws(FormatError) -> Int {
    let stated = try config.optional("head_dim")
    let statedWidth = try stated?.positiveInteger(upTo: ModelLimits.dimension / heads)
    guard let width = statedWidth ?? headWidth else {
      try config.requireMultiple("hidden_size", hidden, of: heads, called: "num_attention_heads")
      return try even(hidden / heads, config)
    }
    return try even(width, stated ?? config)
  }

  private func even(_ width: Int, _ node: JSONNode) throws(FormatError) -> Int {
    if width.isMultiple(of: 2) { return width }
    throw node.malformed(
      expected: "an even width of heads, for rotary embedding turns pairs", found: "\(width)")
  }

  /// The window of every layer.
  private func window(
    _ config: JSONNode, layers: Int, positions: Int
  ) throws(FormatError) -> Int? {
    switch window {
    case .never:
      return nil
    case .unlessNull:
      if try config.states("sliding_window") { return try windowField(config) }
      return 4096
    case .ifUsed:
      guard try config.flag("use_sliding_window", default: false) else { return nil }
      let isStated = try config.states("sliding_window")
      let size = isStated ? try windowField(config) : 4096
      guard let size, size < positions else { return nil }
      return try slidesEverywhere(config, layers: layers) ? size : nil
    }
  }

  private func windowField(_ config: JSONNode) throws(FormatError) -> Int? {
    try config.optional("sliding_window")?.positiveInteger(upTo: ModelLimits.dimension)
  }

  /// Whether all layers slide, or none; some are refused.
  private func slidesEverywhere(_ config: JSONNode, layers: Int) throws(FormatError) -> Bool {
    if let types = try config.optional("layer_types") {
      let slides = try types.array().map { $0.value == .string("sliding_attention") }
      if slides.allSatisfy({ $0 == slides[0] }) { return slides.first ?? false }
      throw types.malformed(
        expected: "layers that are all alike", found: "windows in some of them",
        remedy: "set use_sliding_window to false")
    }
    let first = try config.optional("max_window_layers")
    let full = try first?.nonNegativeInteger(upTo: .max) ?? 28
    if full == 0 || full >= layers { return full == 0 }
    throw (first ?? config).malformed(
      expected: "0 or at least num_hidden_layers, which is \(layers): layers must be alike",
      remedy: "set use_sliding_window to false")
  }
}
