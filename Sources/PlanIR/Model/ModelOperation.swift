/// One operation of a model as its author writes it.
///
/// Norms, attention and cross-entropy are single operations here; ``BlockGraph`` breaks them into
/// the primitive operations that communicate.
package struct ModelOperation: Hashable, Sendable {
  package var kind: Kind
  /// Values or parameters of the block, `input` for the residual stream that enters it.
  package var inputs: [String]
  /// The value it defines.
  package var output: String

  package init(_ kind: Kind, _ inputs: [String], output: String) {
    self.kind = kind
    self.inputs = inputs
    self.output = output
  }

  /// What the operation computes; the operands are given in brackets.
  package enum Kind: Hashable, Sendable {
    /// Rows of a table by token: [table].
    case embedding
    /// Adds the row of a table of learned positions: [x, table].
    case positionEmbedding
    /// A product over the dimensions that x and weight share, plus a bias: [x, weight, bias?].
    case linear
    /// A sum of two values of equal dimensions: [x, y].
    case add
    /// Normalises x's last dimension: [x, gain, bias?].
    case norm(NormKind, epsilon: Double)
    /// An elementwise function: [x].
    case activation(ActivationKind)
    /// `kind(gate) * up`: [gate, up].
    case gatedActivation(ActivationKind)
    /// Rotary position embedding of heads: [x].
    case rotary(RotarySettings)
    /// Scaled dot-product attention: [query, key, value].
    case attention(AttentionSettings)
    /// Dropout with the workload's probability: [x].
    case dropout
    /// The mean cross-entropy of logits against the labels: [logits].
    case crossEntropy
  }
}

/// LayerNorm or RMSNorm.
package enum NormKind: String, Hashable, Sendable, Codable, CaseIterable {
  case layer, rms

  /// Values a row kept by the forward pass, and as many by the backward.
  package var statisticCount: Int { self == .layer ? 2 : 1 }
}

/// An elementwise nonlinearity.
package enum ActivationKind: String, Hashable, Sendable, Codable, CaseIterable {
  /// GELU by its tanh approximation, `gelu_new` of GPT-2.
  case geluTanh = "gelu_tanh"
  /// GELU by the error function.
  case geluErf = "gelu_erf"
  case relu, silu
}

/// What attention needs to know beside its operands.
package struct AttentionSettings: Hashable, Sendable {
  package var causal: Bool
  /// A query sees only the last `window` keys; nil sees all.
  package var window: Int?
  /// Factor on the products; `1 / sqrt(head width)` unless the model says otherwise.
  package var scale: Double

  package init(causal: Bool = true, window: Int? = nil, scale: Double) {
    self.causal = causal
    self.window = window
    self.scale = scale
  }
}
