import PlanIR
import TestSupport

/// SUMMA on r rows and c columns (arXiv 2104.05343), and Tesseract, which is d layers of it
/// (2105.14500). On one of rc devices every product forward, for its input's gradient and for its
/// weight's moves `Mn(c-1)/rc + nm(r-1)/rc`. Each of `copies` meshes moves the weights, while the
/// rows of activations are divided among them.
struct PanelFormulas: LayoutFormulas {
  let of: FormulaCase

  init(_ of: FormulaCase) { self.of = of }

  private var row: Int { of.proof.mesh[0] }
  private var column: Int { of.proof.mesh[1] }
  private var depth: Int { of.proof.mesh.count > 2 ? of.proof.mesh[2] : 1 }
  private var copies: Int { of.data * depth }
  private var form: TableForm { of.proof.tableForm }
  private var isStepped: Bool { of.proof.matmul == .stepped }
  /// The loops over panels hold no gathered operand, so they move each again.
  private var inputsAgain: Int { isStepped ? 1 : of.inputsAgain }
  private var weightsAgain: Int { isStepped ? 1 : of.weightsAgain }
  private var gather: String { isStepped ? "broadcast" : "all-gather" }
  private var scatter: String { isStepped ? "reduce" : "reduce-scatter" }

  /// Gathered and scattered tables lie [v over rows, h over columns], logits [., v over columns]. A
  /// head's weight is split along v by columns alone.
  var vocabularyParts: Int { form == .head ? column : row * column }

  func linears(_ phase: Phase) -> Traffic {
    linears(phase, inputs: of.streamInputs + of.innerInputs, weights: of.weights)
  }

  private func linears(_ phase: Phase, inputs: Int, weights: Int) -> Traffic {
    let acrossColumns = inputs * (column - 1) * of.value
    let acrossRows = weights * copies * (row - 1)
    return switch phase {
    case .forward:
      ["col \(gather)": acrossColumns, "row \(gather)": acrossRows * of.value]
    case .inputGradient:
      ["row \(gather)": acrossRows * of.value * weightsAgain, "col \(scatter)": acrossColumns]
    case .weightGradient:
      ["col \(gather)": acrossColumns * inputsAgain, "row \(scatter)": acrossRows * of.gradient]
    default: [:]
    }
  }

  /// A lookup is a product of one-hot rows by the table, and loops over its panels alike; results
  /// that are scattered by rows have none.
  func embedding(_ phase: Phase) -> Traffic {
    let acrossRows = table * copies * (row - 1)
    switch (phase, form) {
    case (.forward, .gathered): return ["row \(gather)": acrossRows * of.value]
    case (.weightGradient, .gathered): return ["row \(scatter)": acrossRows * of.gradient]
    case (.forward, .scattered):
      return ["row reduce-scatter": of.elements * (row - 1) * of.value]
    case (.weightGradient, .scattered):
      return ["row all-gather": of.elements * (row - 1) * of.value]
    case (.forward, .head):
      return [
        "row \(gather)": acrossRows * of.value,
        "col \(scatter)": of.elements * (column - 1) * of.value,
      ]
    case (.weightGradient, .head):
      return [
        "col \(gather)": of.elements * (column - 1) * of.value,
        "row \(scatter)": acrossRows * of.gradient,
      ]
    default: return [:]
    }
  }

  func head(_ phase: Phase) -> Traffic {
    // Both gradients of a tied table are computed alike unless the lookup is of scattered results,
    // or the head's is reduced panel by panel: then one scattering, the embedding's, serves both.
    let isAdded =
      of.proof.sample.isTied && of.proof.tableGradients == .added && form != .scattered
      && !isStepped
    let spared: Traffic = [
      "row reduce-scatter": phase == .weightGradient && isAdded
        ? -table * copies * (row - 1) * of.gradient : 0
    ]
    guard of.proof.sample.isTied, form != .head else {
      return linears(phase, inputs: of.elements, weights: table) + spared
    }
    return tableProduct(phase) + spared
  }

  /// Logits by a table that lies as the embedding has it: X stays, logits are scattered over
  /// columns and their gradient gathered, once for both that read it or by each loop over panels.
  private func tableProduct(_ phase: Phase) -> Traffic {
    let acrossColumns = logits * (column - 1) * of.value
    let acrossRows = table * copies * (row - 1)
    return switch phase {
    case .forward:
      ["row \(gather)": acrossRows * of.value, "col \(scatter)": acrossColumns]
    case .inputGradient:
      ["col \(gather)": acrossColumns, "row \(gather)": acrossRows * of.value * weightsAgain]
    case .weightGradient:
      [
        "col \(gather)": isStepped ? acrossColumns : 0,
        "row \(scatter)": acrossRows * of.gradient,
      ]
    default: [:]
    }
  }

  var norm: Traffic {
    ["col all-reduce": 2 * of.statistics * of.rows * (column - 1) * of.statistic]
  }

  var crossEntropy: Traffic { ["col all-reduce": 6 * of.rows * (column - 1) * of.statistic] }

  private func sums(weights: Int, vectors: Int) -> Traffic {
    let matrices = joined(["data": of.data, "depth": depth])
    let rows = joined(["data": of.data, "row": row, "depth": depth])
    return ["\(matrices) all-reduce": 2 * weights * (copies - 1) * of.gradient]
      + ["\(rows) all-reduce": 2 * vectors * (copies * row - 1) * of.gradient]
  }

  var layerCopies: Traffic {
    sums(weights: of.weights, vectors: of.streamVectors + of.headVectors + of.wideVectors)
  }

  var embeddingCopies: Traffic { sums(weights: table, vectors: of.positions) }

  var headCopies: Traffic {
    let rows = joined(["data": of.data, "row": row, "depth": depth])
    return sums(weights: table * (of.tables - 1), vectors: of.lastVectors)
      + ["\(rows) all-reduce": 2 * (copies * row - 1) * column * of.statistic]
  }

  /// Depth times the P-th part of each matrix, which lies once in each mesh of rows and columns;
  /// vectors have copies on every row.
  var stored: Int {
    let layers = of.proof.sample.layers
    let matrices = layers * of.weights + of.tables * table
    let vectors = layers * (of.streamVectors + of.headVectors + of.wideVectors)
    return matrices / (row * column) + (vectors + of.lastVectors + of.positions) / column
  }
}
