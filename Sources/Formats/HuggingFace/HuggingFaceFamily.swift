import PlanIR

/// A `model_type` of Hugging Face that can be read; a further one is one more file and one line in
/// ``all``.
struct HuggingFaceFamily: Sendable {
  /// The value of `model_type`.
  let modelType: String
  /// The class with a language-model head, as `architectures` names it.
  let architecture: String
  /// Reads a configuration into a model called by the second argument.
  let read: @Sendable (JSONNode, String) throws(FormatError) -> Model

  /// Every family that is known, by name.
  static let all: [HuggingFaceFamily] = [.gpt2, .llama, .mistral, .qwen2, .qwen3]
}
