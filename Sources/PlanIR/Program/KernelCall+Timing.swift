extension KernelCall {
  /// What its times are kept and looked up under: the kernel's name, then what else of the call
  /// changes its time but not its sizes: `norm-apply.rms`, `attention.causal`, `copy.add`.
  package var timedName: String { ([kind.name] + timedVariants).joined(separator: ".") }

  /// What follows the kernel's name.
  var timedVariants: [String] {
    accumulate ? kind.timedVariants + ["add"] : kind.timedVariants
  }

  /// The sizes that its time depends on, on one device: those of its first operand, then of each
  /// dimension of the others that is new or has another size.
  ///
  /// A norm that applies statistics [2, 64, 2] to x [2, 64, 256] is of shape 2, 64, 256, 2; attention of
  /// 8 heads over 2 key/value heads and width 32 of 2, 64, 8, 32, 2.
  package func timedShape(in body: Body) -> [Int] {
    var known: [Dimension: Int] = [:]
    var shape: [Int] = []
    for buffer in reads + writes {
      let type = body.buffers[buffer].type
      guard type.sharding.chunks.isEmpty else {
        if !shape.contains(type.localCount) { shape.append(type.localCount) }
        continue
      }
      for (dimension, size) in zip(type.dimensions, type.localSizes) where known[dimension] != size
      {
        known[dimension] = size
        shape.append(size)
      }
    }
    return shape
  }
}

extension KernelKind {
  fileprivate var timedVariants: [String] {
    switch self {
    case .operation(let kind): kind.timedVariants
    case .attentionStep(let settings, _), .attentionGradientStep(let settings, _):
      settings.timedVariants
    case .copy, .slice, .panel, .place, .load, .zero, .update: []
    }
  }
}

extension OperationKind {
  fileprivate var timedVariants: [String] {
    switch self {
    case .normStatistics(let kind), .normApply(let kind, _), .normGradientStatistics(let kind, _),
      .normGradientInput(let kind, _), .normGradientGain(let kind, _):
      [kind.rawValue]
    case .attention(let settings), .attentionGradient(let settings),
      .attentionScores(let settings), .attentionContext(let settings),
      .attentionContextGradientProbabilities(let settings),
      .attentionContextGradientValue(let settings), .attentionScoresGradientQuery(let settings),
      .attentionScoresGradientKey(let settings):
      settings.timedVariants
    default: []
    }
  }
}

extension AttentionSettings {
  fileprivate var timedVariants: [String] {
    (causal ? ["causal"] : []) + (window.map { ["window\($0)"] } ?? [])
  }
}
