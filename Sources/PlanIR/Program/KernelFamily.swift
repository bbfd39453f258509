/// Kernels that cost alike: a framework may run one as several kernels, or several as one.
package enum KernelFamily: Int, Hashable, Sendable, CaseIterable {
  case product, bias, add, sumRows
  case normStatistics, norm, normGradientStatistics, normGradient, normGradientGain
  case activation, activationGradient, gatedActivation, gatedActivationGradient
  case rotary, rotaryGradient
  case attention, attentionGradient, scores, softmax, softmaxGradient
  case dropout, dropoutGradient
  case embedding, embeddingGradient
  case lossStatistics, probabilities, logitsGradient
  case copy, update

  /// The name in cluster files.
  package var name: String {
    switch self {
    case .product: "matmul"
    case .bias: "bias"
    case .add: "add"
    case .sumRows: "sum-rows"
    case .normStatistics: "norm-statistics"
    case .norm: "norm-apply"
    case .normGradientStatistics: "norm-gradient-statistics"
    case .normGradient: "norm-gradient-input"
    case .normGradientGain: "norm-gradient-gain"
    case .activation: "activation"
    case .activationGradient: "activation-gradient"
    case .gatedActivation: "gated-activation"
    case .gatedActivationGradient: "gated-activation-gradient"
    case .rotary: "rotary"
    case .rotaryGradient: "rotary-gradient"
    case .attention: "attention"
    case .attentionGradient: "attention-gradient"
    case .scores: "attention-scores"
    case .softmax: "softmax"
    case .softmaxGradient: "softmax-gradient"
    case .dropout: "dropout"
    case .dropoutGradient: "dropout-gradient"
    case .embedding: "embedding"
    case .embeddingGradient: "embedding-gradient"
    case .lossStatistics: "loss-statistics"
    case .probabilities: "probabilities"
    case .logitsGradient: "logits-gradient"
    case .copy: "copy"
    case .update: "update"
    }
  }

  /// That of `call`, one of the kernels of `body`.
  package init(_ call: KernelCall, in body: Body) {
    switch call.kind {
    case .operation(let kind): self.init(kind, isBroadcast: Self.isBroadcast(call, in: body))
    case .copy, .slice, .panel, .place, .load, .zero: self = .copy
    case .attentionStep: self = .attention
    case .attentionGradientStep: self = .attentionGradient
    case .update: self = .update
    }
  }

  private init(_ kind: OperationKind, isBroadcast: @autoclosure () -> Bool) {
    switch kind {
    case .matmul: self = .product
    case .add: self = isBroadcast() ? .bias : .add
    case .sumRows: self = .sumRows
    case .pass, .features, .cotangentLoss, .cotangentGradient: self = .copy
    case .normStatistics: self = .normStatistics
    case .normApply: self = .norm
    case .normGradientStatistics: self = .normGradientStatistics
    case .normGradientInput: self = .normGradient
    case .normGradientGain: self = .normGradientGain
    case .activation: self = .activation
    case .activationGradient: self = .activationGradient
    case .gatedActivation: self = .gatedActivation
    case .gatedActivationGradient: self = .gatedActivationGradient
    case .rotary: self = .rotary
    case .rotaryGradient: self = .rotaryGradient
    case .attention: self = .attention
    case .attentionGradient: self = .attentionGradient
    case .attentionScores, .attentionContext, .attentionContextGradientProbabilities,
      .attentionContextGradientValue, .attentionScoresGradientQuery, .attentionScoresGradientKey:
      self = .scores
    case .softmax: self = .softmax
    case .softmaxGradient: self = .softmaxGradient
    case .dropout: self = .dropout
    case .dropoutGradient: self = .dropoutGradient
    case .embedding: self = .embedding
    case .embeddingGradient: self = .embeddingGradient
    case .rowMaximum, .exponentialSum, .pickLabel, .tokenLoss: self = .lossStatistics
    case .probabilities: self = .probabilities
    case .logitsGradient: self = .logitsGradient
    }
  }

  /// Whether the second operand has fewer dimensions than the first.
  private static func isBroadcast(_ call: KernelCall, in body: Body) -> Bool {
    func rank(_ place: Int) -> Int { body.buffers[call.reads[place]].type.dimensions.count }
    return call.reads.count == 2 && rank(1) < rank(0)
  }
}
