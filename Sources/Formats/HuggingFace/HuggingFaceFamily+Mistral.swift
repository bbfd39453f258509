extension HuggingFaceFamily {
  /// `MistralForCausalLM`: Llama with a window over the keys unless `sliding_window` is null, and
  /// without biases.
  static let mistral = LlamaVariant(
    modelType: "mistral", keyValueHeads: 8, bias: .none, window: .unlessNull
  ).family(architecture: "MistralForCausalLM")
}
