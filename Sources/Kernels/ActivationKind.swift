/// The nonlinearities between the two halves of a feed-forward block.
package enum ActivationKind: String, Sendable, CaseIterable {
  /// GELU by its tanh form, Hugging Face's `gelu_new`.
  case geluTanh
  /// GELU by the error function, Hugging Face's `gelu`.
  case geluErf
  /// max(x, 0).
  case relu
  /// x times its sigmoid, also called swish.
  case silu
}
