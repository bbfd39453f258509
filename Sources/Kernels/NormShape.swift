package import PlanIR

/// The extents of one normalisation over the last dimension, which may be sharded.
package struct NormShape: Sendable {
  package var kind: NormKind
  package var rows: Int
  /// Columns this rank holds.
  package var columns: Int
  /// Columns of the whole row, which means are taken over.
  package var globalColumns: Int
  package var epsilon: Double

  /// The extents of a normalisation; `globalColumns` is `columns` where the row is whole.
  package init(
    kind: NormKind, rows: Int, columns: Int, globalColumns: Int? = nil, epsilon: Double
  ) {
    self.kind = kind
    self.rows = rows
    self.columns = columns
    self.globalColumns = globalColumns ?? columns
    self.epsilon = epsilon
  }
}

/// A row's centre and reciprocal deviation: `xhat = (x - mean) * reciprocal`.
struct RowScale {
  var mean: Double
  var reciprocal: Double

  /// From the whole row's statistics: [2, rows] sums of x and x^2, or [1, rows] sums of x^2.
  init<Scalar: KernelFloat>(_ stats: UnsafePointer<Scalar>, row: Int, shape: NormShape) {
    let columns = Double(shape.globalColumns)
    switch shape.kind {
    case .layer:
      mean = stats[row].widened / columns
      let variance = stats[shape.rows + row].widened / columns - mean * mean
      reciprocal = 1 / (max(variance, 0) + shape.epsilon).squareRoot()
    case .rms:
      mean = 0
      reciprocal = 1 / (stats[row].widened / columns + shape.epsilon).squareRoot()
    }
  }
}
