extension HuggingFaceFamily {
  /// `Qwen3ForCausalLM`: Llama with normalised queries and keys and a head width of its own.
  static let qwen3 = LlamaVariant(
    modelType: "qwen3", keyValueHeads: 32, headWidth: 128, bias: .stated, normalisesHeads: true,
    window: .ifUsed
  ).family(architecture: "Qwen3ForCausalLM")
}
