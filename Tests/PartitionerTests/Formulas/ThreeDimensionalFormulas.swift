import PlanIR
import TestSupport

/// 3-D on boxes of i x j x k (arXiv 2105.14450). One device sends for X[M,n] W[n,m] from the stream
/// `(j-1)Mn/ijk + (i-1)nm/ijk + (k-1)Mm/ijk` forward and as much backward; of the linears that lead
/// back j and k change places.
struct ThreeDimensionalFormulas: LayoutFormulas {
  let of: FormulaCase

  init(_ of: FormulaCase) { self.of = of }

  private var i: Int { of.proof.mesh[0] }
  private var j: Int { of.proof.mesh[1] }
  private var k: Int { of.proof.mesh[2] }

  /// Tables are split along v by j and i, logits by j.
  var vocabularyParts: Int { i * j }

  func linears(_ phase: Phase) -> Traffic {
    let weights = of.weights * of.data * (i - 1)
    let (overJ, overK) = ((j - 1) * of.value, (k - 1) * of.value)
    return switch phase {
    case .forward:
      [
        "i all-gather": weights * of.value,
        "j all-gather": of.streamInputs * overJ, "k reduce-scatter": of.innerResults * overK,
        "k all-gather": of.innerInputs * overK, "j reduce-scatter": of.streamResults * overJ,
      ]
    case .inputGradient:
      [
        "i all-gather": weights * of.value * of.weightsAgain,
        "k all-gather": of.innerResults * overK, "j reduce-scatter": of.streamInputs * overJ,
        "j all-gather": of.streamResults * overJ, "k reduce-scatter": of.innerInputs * overK,
      ]
    case .weightGradient:
      [
        "i reduce-scatter": weights * of.gradient,
        "j all-gather": of.streamInputs * overJ * of.inputsAgain,
        "k all-gather": of.innerInputs * overK * of.inputsAgain,
      ]
    default: [:]
    }
  }

  func embedding(_ phase: Phase) -> Traffic {
    let (weights, rows) = (table * of.data * (i - 1), of.elements * (j - 1) * of.value)
    return switch phase {
    case .forward: ["i all-gather": weights * of.value, "j reduce-scatter": rows]
    case .weightGradient: ["i reduce-scatter": weights * of.gradient, "j all-gather": rows]
    default: [:]
    }
  }

  /// A linear from the stream whose weight lies as the embedding has it: tying is free.
  func head(_ phase: Phase) -> Traffic {
    let isAdded = of.proof.sample.isTied && of.proof.tableGradients == .added
    let (weights, rows) = (table * of.data * (i - 1), of.elements * (j - 1) * of.value)
    let results = logits * (k - 1) * of.value
    return switch phase {
    case .forward:
      ["i all-gather": weights * of.value, "j all-gather": rows, "k reduce-scatter": results]
    case .inputGradient:
      [
        "i all-gather": weights * of.value * of.weightsAgain, "k all-gather": results,
        "j reduce-scatter": rows,
      ]
    case .weightGradient:
      [
        "i reduce-scatter": isAdded ? 0 : weights * of.gradient,
        "j all-gather": rows * of.inputsAgain,
      ]
    default: [:]
    }
  }

  var norm: Traffic { ["k all-reduce": 2 * of.statistics * of.rows * (k - 1) * of.statistic] }

  var crossEntropy: Traffic { ["j all-reduce": 6 * of.rows * (j - 1) * of.statistic] }

  /// Vectors along the stream are split by k and copied over i and j; those along heads and wide
  /// activations split by j and copied over i and k.
  private func sums(weights: Int, stream: Int, inner: Int) -> Traffic {
    let streamCopies = joined(["data": of.data, "i": i, "j": j])
    let innerCopies = joined(["data": of.data, "i": i, "k": k])
    return ["data all-reduce": 2 * weights * (of.data - 1) * of.gradient]
      + ["\(streamCopies) all-reduce": 2 * stream * (of.data * i * j - 1) * of.gradient]
      + ["\(innerCopies) all-reduce": 2 * inner * (of.data * i * k - 1) * of.gradient]
  }

  var layerCopies: Traffic {
    sums(
      weights: of.weights, stream: of.streamVectors, inner: of.headVectors + of.wideVectors)
  }

  var embeddingCopies: Traffic { sums(weights: table, stream: of.positions, inner: 0) }

  var headCopies: Traffic {
    let rows = joined(["data": of.data, "i": i, "k": k])
    return sums(weights: table * (of.tables - 1), stream: of.lastVectors, inner: 0)
      + ["\(rows) all-reduce": 2 * (of.data * i * k - 1) * j * of.statistic]
  }

  var stored: Int {
    let layers = of.proof.sample.layers
    let stream = layers * of.streamVectors + of.lastVectors + of.positions
    return (layers * of.weights + of.tables * table) / (i * j * k)
      + stream / k + layers * (of.headVectors + of.wideVectors) / j
  }
}
