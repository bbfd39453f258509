/// How the configuration class of one of Llama's relatives differs from the others.
struct LlamaVariant: Sendable {
  var modelType: String
  /// Key and value heads where the field is missing; nil for as many as query heads.
  var keyValueHeads: Int?
  /// The head width where the field is missing; nil for hidden size by heads.
  var headWidth: Int?
  var bias: AttentionBias
  /// Whether `mlp_bias` is a field.
  var hasMLPBiasField = false
  /// Whether queries and keys are normalised.
  var normalisesHeads = false
  var window: WindowRule

  /// Which of attention's projections have biases.
  enum AttentionBias: Sendable {
    case none
    /// Query, key and value, always.
    case queryKeyValue
    /// All four where `attention_bias` is true.
    case stated
  }

  /// When queries see a window of keys only.
  enum WindowRule: Sendable {
    case never
    /// Where `sliding_window` is not null; 4096 where it is missing.
    case unlessNull
    /// In layers from `max_window_layers` on, where `use_sliding_window` is true.
    case ifUsed
  }
}
