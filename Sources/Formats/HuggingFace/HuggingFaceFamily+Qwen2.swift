extension HuggingFaceFamily {
  /// `Qwen2ForCausalLM`, Qwen2.5 included: Llama with biases on query, key and value.
  static let qwen2 = LlamaVariant(
    modelType: "qwen2", keyValueHeads: 32, bias: .queryKeyValue, window: .ifUsed
  ).family(architecture: "Qwen2ForCausalLM")
}
