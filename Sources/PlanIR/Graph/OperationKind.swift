/// The primitive operations that graphs are made of and kernels compute.
///
/// Operands are given in brackets, then results. Each names dimensions only; what it contracts, and
/// so what must be reduced when an axis splits that dimension, follows from them.
package enum OperationKind: Hashable, Sendable {
  /// One-hot rows times a table: [tokens, table] -> x. Contracts the vocabulary.
  case embedding
  /// [tokens, dy] -> gradient of the table.
  case embeddingGradient
  /// A product contracting the dimensions that both operands have and the result has not.
  case matmul
  /// [x, y] -> x + y, y broadcast along dimensions that it has not.
  case add
  /// [dy] -> sums over the dimensions that the result has not.
  case sumRows
  /// [dy] -> dy: an addition hands its gradient on.
  case pass
  /// [x] -> sums of x and x^2 (LayerNorm) or of x^2 (RMSNorm) over the last dimension.
  case normStatistics(NormKind)
  /// [x, statistics, gain, bias?] -> y.
  case normApply(NormKind, epsilon: Double)
  /// [dy, x, statistics, gain] -> sums of g dy (LayerNorm) and of g dy x^ over the last dimension.
  case normGradientStatistics(NormKind, epsilon: Double)
  /// [dy, x, statistics, gradient statistics, gain] -> dx.
  case normGradientInput(NormKind, epsilon: Double)
  /// [dy, x, statistics] -> gradient of the gain.
  case normGradientGain(NormKind, epsilon: Double)
  /// [x] -> y.
  case activation(ActivationKind)
  /// [dy, x] -> dx.
  case activationGradient(ActivationKind)
  /// [gate, up] -> y.
  case gatedActivation(ActivationKind)
  /// [dy, gate, up] -> dgate, dup.
  case gatedActivationGradient(ActivationKind)
  /// [x] -> y.
  case rotary(RotarySettings)
  /// [dy] -> dx: the rotation turned back.
  case rotaryGradient(RotarySettings)
  /// [query, key, value] -> context, log-sum-exp of each row of scores; nothing else is stored.
  case attention(AttentionSettings)
  /// [dcontext, query, key, value, context, log-sum-exp] -> dquery, dkey, dvalue.
  case attentionGradient(AttentionSettings)
  /// [query, key] -> scaled and masked scores.
  case attentionScores(AttentionSettings)
  /// [scores] -> rows that sum to one.
  case softmax
  /// [dp, p] -> dscores.
  case softmaxGradient
  /// [p, value] -> context.
  case attentionContext(AttentionSettings)
  /// [dcontext, value] -> dp.
  case attentionContextGradientProbabilities(AttentionSettings)
  /// [p, dcontext] -> dvalue.
  case attentionContextGradientValue(AttentionSettings)
  /// [dscores, key] -> dquery.
  case attentionScoresGradientQuery(AttentionSettings)
  /// [dscores, query] -> dkey.
  case attentionScoresGradientKey(AttentionSettings)
  /// [x] -> y, mask.
  case dropout
  /// [dy, mask] -> dx.
  case dropoutGradient
  /// [logits] -> the largest of each row; reduced by maximum.
  case rowMaximum
  /// [logits, maximum] -> sum of exponentials of each row.
  case exponentialSum
  /// [logits, labels] -> the labels' logits.
  case pickLabel
  /// [logits, maximum, sum] -> softmax.
  case probabilities
  /// [maximum, sum, picked, labels] -> the loss, summed over rows and divided by the labels that
  /// count in the whole batch.
  case tokenLoss
  /// [probabilities, labels] -> gradient of the logits.
  case logitsGradient
  /// [x, cotangent] -> their product over tokens: the loss of a model without a head.
  case cotangentLoss
  /// [cotangent] -> gradient of x.
  case cotangentGradient
  /// Loads from the host batch: the residual stream, drawn, of a model without an embedding.
  case features
}

extension OperationKind {
  /// The name kernels are timed and printed under.
  package var name: String {
    switch self {
    case .embedding: "embedding"
    case .embeddingGradient: "embedding-gradient"
    case .matmul: "matmul"
    case .add: "add"
    case .sumRows: "sum-rows"
    case .pass: "pass"
    case .normStatistics: "norm-statistics"
    case .normApply: "norm-apply"
    case .normGradientStatistics: "norm-gradient-statistics"
    case .normGradientInput: "norm-gradient-input"
    case .normGradientGain: "norm-gradient-gain"
    case .activation(let kind): kind.rawValue
    case .activationGradient(let kind): "\(kind.rawValue)-gradient"
    case .gatedActivation(let kind): "gated-\(kind.rawValue)"
    case .gatedActivationGradient(let kind): "gated-\(kind.rawValue)-gradient"
    case .rotary: "rotary"
    case .rotaryGradient: "rotary-gradient"
    case .attention: "attention"
    case .attentionGradient: "attention-gradient"
    case .attentionScores: "attention-scores"
    case .softmax: "softmax"
    case .softmaxGradient: "softmax-gradient"
    case .attentionContext: "attention-context"
    case .attentionContextGradientProbabilities: "attention-context-gradient-probabilities"
    case .attentionContextGradientValue: "attention-context-gradient-value"
    case .attentionScoresGradientQuery: "attention-scores-gradient-query"
    case .attentionScoresGradientKey: "attention-scores-gradient-key"
    case .dropout: "dropout"
    case .dropoutGradient: "dropout-gradient"
    case .rowMaximum: "row-maximum"
    case .exponentialSum: "exponential-sum"
    case .pickLabel: "pick-label"
    case .probabilities: "probabilities"
    case .tokenLoss: "token-loss"
    case .logitsGradient: "logits-gradient"
    case .cotangentLoss: "cotangent-loss"
    case .cotangentGradient: "cotangent-gradient"
    case .features: "features"
    }
  }

  /// How partial results of this operation are combined.
  package var reduction: Reduction { self == .rowMaximum ? .maximum : .sum }

  /// Whether the result may overwrite the first operand.
  package var worksInPlace: Bool {
    switch self {
    case .add, .rotary, .rotaryGradient, .dropout, .dropoutGradient, .activationGradient, .softmax,
      .softmaxGradient:
      true
    default: false
    }
  }
}

/// How values of several devices become one.
package enum Reduction: String, Hashable, Sendable, Codable {
  case sum, maximum
}
