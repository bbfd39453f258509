extension HuggingFaceFamily {
  /// `LlamaForCausalLM`: Llama 1 to 3.x; biases only where `attention_bias`, `mlp_bias` say so.
  static let llama = LlamaVariant(
    modelType: "llama", bias: .stated, hasMLPBiasField: true, window: .never
  ).family(architecture: "LlamaForCausalLM")
}
