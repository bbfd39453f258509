import PlanIR
import TestSupport

/// Sequence rows (arXiv 2309.14509) on p devices: queries, keys, values and contexts change between
/// sequence shards and heads by all-to-alls of the E/p elements that a device holds.
struct SequenceFormulas: LayoutFormulas {
  let of: FormulaCase

  init(_ of: FormulaCase) { self.of = of }

  private var degree: Int { of.proof.mesh[0] }

  /// Tables are copied, and logits split along the sequence.
  var vocabularyParts: Int { 1 }

  func linears(_ phase: Phase) -> Traffic {
    let each = of.elements / degree * (degree - 1) * of.value
    return switch phase {
    case .forward, .inputGradient: ["tensor all-to-all": 4 * each]
    case .weightGradient: ["tensor all-to-all": of.inputsAgain * each]
    default: [:]
    }
  }

  func embedding(_ phase: Phase) -> Traffic { [:] }
  func head(_ phase: Phase) -> Traffic { [:] }
  var norm: Traffic { [:] }
  var crossEntropy: Traffic { [:] }

  private func sums(copied: Int, split: Int) -> Traffic {
    let rows = joined(["data": of.data, "tensor": degree])
    return ["\(rows) all-reduce": 2 * copied * (of.data * degree - 1) * of.gradient]
      + ["data all-reduce": 2 * split * (of.data - 1) * of.gradient]
  }

  /// Biases of queries, keys and values are added to heads: split as these are, they lie once.
  var layerCopies: Traffic {
    sums(copied: of.weights + of.streamVectors + of.wideVectors, split: of.headVectors)
  }

  var embeddingCopies: Traffic { sums(copied: table, split: of.positions) }

  var headCopies: Traffic {
    let rows = joined(["data": of.data, "tensor": degree])
    return sums(copied: table * (of.tables - 1) + of.lastVectors, split: 0)
      + ["\(rows) all-reduce": 2 * (of.data * degree - 1) * of.statistic]
  }

  var stored: Int {
    let layers = of.proof.sample.layers
    let copied = layers * (of.weights + of.streamVectors + of.wideVectors) + of.lastVectors
    return copied + of.tables * table + (layers * of.headVectors + of.positions) / degree
  }
}
