import PlanIR
import TestSupport

/// Megatron (arXiv 1909.08053, section 3) on t devices, beside data replicas: `8E(t-1)/t` a layer.
struct MegatronFormulas: LayoutFormulas {
  let of: FormulaCase

  init(_ of: FormulaCase) { self.of = of }

  private var degree: Int { of.proof.mesh[0] }

  var vocabularyParts: Int { degree }

  private func reduced(_ count: Int, _ width: Int) -> Traffic {
    ["tensor all-reduce": 2 * count * (degree - 1) * width]
  }

  func linears(_ phase: Phase) -> Traffic {
    switch phase {
    case .forward, .inputGradient: reduced(2 * of.elements, of.value)
    default: [:]
    }
  }

  func embedding(_ phase: Phase) -> Traffic {
    phase == .forward ? reduced(of.elements, of.value) : [:]
  }

  func head(_ phase: Phase) -> Traffic {
    phase == .inputGradient ? reduced(of.elements, of.value) : [:]
  }

  var norm: Traffic { [:] }

  var crossEntropy: Traffic { reduced(3 * of.rows, of.statistic) }

  /// What has copies over the tensor axis is summed over data on each of them.
  private func sums(split: Int, copied: Int) -> Traffic {
    ["data all-reduce": 2 * (split + copied * degree) * (of.data - 1) * of.gradient]
  }

  var layerCopies: Traffic {
    sums(split: of.weights + of.headVectors + of.wideVectors, copied: of.streamVectors)
  }

  var embeddingCopies: Traffic { sums(split: table, copied: of.positions) }

  var headCopies: Traffic {
    sums(split: table * (of.tables - 1), copied: of.lastVectors)
      + ["data all-reduce": 2 * (of.data - 1) * degree * of.statistic]
  }

  var stored: Int {
    let layers = of.proof.sample.layers
    let split = layers * (of.weights + of.headVectors + of.wideVectors) + of.tables * table
    return split / degree + layers * of.streamVectors + of.lastVectors + of.positions
  }
}
