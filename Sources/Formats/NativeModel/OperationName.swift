import PlanIR

/// The names of operations in native models.
enum OperationName: String, CaseIterable {
  case embedding
  case positionEmbedding = "position_embedding"
  case linear, add, norm, activation
  case gatedActivation = "gated_activation"
  case rotary, attention, dropout
  case crossEntropy = "cross_entropy"

  /// The fields beside `operation`, `inputs` and `output`.
  var attributes: [String] {
    switch self {
    case .embedding, .positionEmbedding, .linear, .add, .dropout, .crossEntropy: []
    case .norm: ["norm", "epsilon"]
    case .activation, .gatedActivation: ["function"]
    case .rotary: ["theta", "width", "scaling"]
    case .attention: ["causal", "window", "scale"]
    }
  }

  /// The places of the operands that are parameters; the others are values.
  var parameterPlaces: Range<Int> {
    switch self {
    case .embedding: 0..<1
    case .positionEmbedding: 1..<2
    case .linear, .norm: 1..<3
    case .add, .activation, .gatedActivation, .rotary, .attention, .dropout, .crossEntropy: 0..<0
    }
  }

  /// The only class of block that may have it; nil for any.
  var blockClass: BlockClass? {
    switch self {
    case .embedding, .positionEmbedding: .embedding
    case .attention: .attention
    case .crossEntropy: .head
    case .linear, .add, .norm, .activation, .gatedActivation, .rotary, .dropout: nil
    }
  }
}
