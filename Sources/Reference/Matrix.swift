/// A row-major matrix or the transpose of one.
package struct Matrix: Sendable {
  package let rows: Int
  package let columns: Int
  /// Row-major [rows, columns], or [columns, rows] where `isTransposed`.
  package let elements: [Double]
  /// Whether `elements` hold the transpose.
  package let isTransposed: Bool

  package init(_ rows: Int, _ columns: Int, _ elements: [Double], isTransposed: Bool = false) {
    precondition(elements.count == rows * columns, "a matrix of another size than its elements")
    self.rows = rows
    self.columns = columns
    self.elements = elements
    self.isTransposed = isTransposed
  }

  /// The transpose, over the same elements.
  package var transposed: Matrix {
    Matrix(columns, rows, elements, isTransposed: !isTransposed)
  }

  package subscript(row: Int, column: Int) -> Double {
    isTransposed ? elements[column * rows + row] : elements[row * columns + column]
  }

  /// Elements between two rows of `elements`, at least one as BLAS wants it.
  var leadingDimension: Int { max(isTransposed ? rows : columns, 1) }
}
