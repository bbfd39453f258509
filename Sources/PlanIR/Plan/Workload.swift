/// What one training step computes and in which precision.
package struct Workload: Hashable, Sendable {
  /// Sequences of one optimizer step.
  package var globalBatch: Int
  /// Tokens of a sequence.
  package var sequence: Int
  package var precision: Precision
  package var optimizer: Optimizer
  package var attention: AttentionForm
  /// Probability of dropping an element, 0 for none.
  package var dropout: Double
  /// The vocabulary is padded to a multiple of this times the axes that split it.
  package var padVocabulary: Int

  package init(
    globalBatch: Int = 512, sequence: Int, precision: Precision = .mixed,
    optimizer: Optimizer = .adamw, attention: AttentionForm = .fused, dropout: Double = 0,
    padVocabulary: Int = 128
  ) {
    self.globalBatch = globalBatch
    self.sequence = sequence
    self.precision = precision
    self.optimizer = optimizer
    self.attention = attention
    self.dropout = dropout
    self.padVocabulary = padVocabulary
  }

  /// Tokens of one step.
  package var tokens: Int { globalBatch * sequence }
}

/// The fields of a ``Workload`` that a model or a command sets; nil where it leaves the default.
package struct WorkloadOverrides: Hashable, Sendable {
  package var globalBatch: Int?
  package var sequence: Int?
  package var precision: Precision?
  package var optimizer: Optimizer?
  package var attention: AttentionForm?
  package var dropout: Double?
  package var padVocabulary: Int?

  /// Nothing set.
  package init() {}

  /// The workload of `model`: this where set, else the model's own, else the defaults.
  package func resolved(for model: Model) -> Workload {
    let own = model.workload ?? WorkloadOverrides()
    return Workload(
      globalBatch: globalBatch ?? own.globalBatch ?? 512,
      sequence: sequence ?? own.sequence ?? min(model.maximumSequence, 4096),
      precision: precision ?? own.precision ?? .mixed,
      optimizer: optimizer ?? own.optimizer ?? .adamw,
      attention: attention ?? own.attention ?? .fused,
      dropout: dropout ?? own.dropout ?? 0,
      padVocabulary: padVocabulary ?? own.padVocabulary ?? 128)
  }
}

/// How attention is computed: one kernel that never stores the scores, or operation by operation.
package enum AttentionForm: String, Hashable, Sendable, Codable, CaseIterable {
  case fused, unfused
}

/// The update rule, with the defaults of `torch.optim`.
package enum Optimizer: String, Hashable, Sendable, Codable, CaseIterable {
  case adamw, sgd

  /// Moments kept for each parameter.
  package var momentCount: Int { self == .adamw ? 2 : 0 }
}

/// Element widths of everything that is stored or moved.
package enum Precision: String, Hashable, Sendable, Codable, CaseIterable {
  /// 16-bit weights and activations; 32-bit main gradients, master weights, moments.
  case mixed
  /// 16 bits throughout.
  case bf16
  /// 32 bits throughout.
  case fp32

  /// The planned width in bytes of a value of class `width`.
  package func bytes(of width: ValueWidth) -> Int {
    switch width {
    case .activation, .weight: self == .fp32 ? 4 : 2
    case .mainGradient, .masterWeight, .moment: self == .bf16 ? 2 : 4
    case .statistic: 4
    case .index: 8
    case .mask: 1
    }
  }

  /// Whether weights have a wider copy that the optimizer updates.
  package var hasMasterWeights: Bool { self == .mixed }
}

/// The classes of values that a precision gives widths to.
package enum ValueWidth: String, Hashable, Sendable {
  /// Activations and their gradients.
  case activation
  case weight
  /// Accumulated gradients of parameters, and every reduction of them.
  case mainGradient
  case masterWeight
  case moment
  /// Norm statistics, softmax of the logits, log-sum-exp, loss.
  case statistic
  /// Token ids and labels.
  case index
  /// A stored dropout mask.
  case mask
}
