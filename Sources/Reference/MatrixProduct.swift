internal import COpenBLAS

/// Products of matrices: the sum as it is written for small ones, `cblas_dgemm` for large ones.
///
/// dgemm is believed only while it agrees: with the written sum over a small sample of shapes when
/// the product is made, and at a few places of every large result afterwards.
package struct MatrixProduct: Sendable {
  /// Whether dgemm agreed with the written sum.
  package let trustsBLAS: Bool

  /// Multiplications from which on dgemm is used.
  private static let largeCount = 4096
  /// The distance allowed, relative to the sum of the absolute terms.
  private static let tolerance = 1e-12

  /// Compares dgemm with the written sum over odd shapes and all four transpositions.
  package init() { trustsBLAS = Self.sampleAgrees() }

  /// `left` [m, k] times `right` [k, n], row-major [m, n].
  package func callAsFunction(_ left: Matrix, _ right: Matrix) -> [Double] {
    precondition(left.columns == right.rows, "a product over unequal dimensions")
    guard trustsBLAS, left.rows * left.columns * right.columns >= Self.largeCount else {
      return Self.naive(left, right)
    }
    let result = Self.blas(left, right)
    return Self.agrees(result, left, right) ? result : Self.naive(left, right)
  }

  /// The product as it is written: a sum for each element.
  package static func naive(_ left: Matrix, _ right: Matrix) -> [Double] {
    var result = [Double](repeating: 0, count: left.rows * right.columns)
    for row in 0..<left.rows {
      for column in 0..<right.columns {
        result[row * right.columns + column] = element(row, column, left, right).value
      }
    }
    return result
  }

  /// The product by OpenBLAS.
  package static func blas(_ left: Matrix, _ right: Matrix) -> [Double] {
    var result = [Double](repeating: 0, count: left.rows * right.columns)
    guard !result.isEmpty else { return result }
    cblas_dgemm(
      CblasRowMajor, left.isTransposed ? CblasTrans : CblasNoTrans,
      right.isTransposed ? CblasTrans : CblasNoTrans, blasint(left.rows), blasint(right.columns),
      blasint(left.columns), 1, left.elements, blasint(left.leadingDimension), right.elements,
      blasint(right.leadingDimension), 0, &result, blasint(right.columns))
    return result
  }

  private static func element(
    _ row: Int, _ column: Int, _ left: Matrix, _ right: Matrix
  ) -> (value: Double, magnitude: Double) {
    var value = 0.0
    var magnitude = 0.0
    for index in 0..<left.columns {
      let term = left[row, index] * right[index, column]
      value += term
      magnitude += abs(term)
    }
    return (value, magnitude)
  }

  /// Whether `result` has the written sum in its corners and at four places between.
  private static func agrees(_ result: [Double], _ left: Matrix, _ right: Matrix) -> Bool {
    let last = result.count - 1
    let places = [0, right.columns - 1, last - right.columns + 1, last]
    let between = (1...4).map { (last / 5 * $0 + $0 * 7) % result.count }
    return (places + between).allSatisfy { agrees(result, at: $0, left, right) }
  }

  private static func agrees(
    _ result: [Double], at place: Int, _ left: Matrix, _ right: Matrix
  ) -> Bool {
    let (row, column) = place.quotientAndRemainder(dividingBy: right.columns)
    let written = element(row, column, left, right)
    guard result[place].isFinite && written.value.isFinite else {
      return result[place].isFinite == written.value.isFinite
    }
    return abs(result[place] - written.value) <= tolerance * written.magnitude
  }

  private static func sampleAgrees() -> Bool {
    [(1, 1, 1), (3, 5, 7), (17, 9, 33)].allSatisfy { rows, columns, inner in
      let left = sample(rows, inner)
      let right = sample(inner, columns)
      let lefts = [left, stored(transposed: left)]
      let rights = [right, stored(transposed: right)]
      return lefts.allSatisfy { left in
        rights.allSatisfy { right in
          let result = blas(left, right)
          return result.indices.allSatisfy { agrees(result, at: $0, left, right) }
        }
      }
    }
  }

  private static func sample(_ rows: Int, _ columns: Int) -> Matrix {
    Matrix(rows, columns, (0..<rows * columns).map { Double(($0 * 37 + 11) % 53) / 53 - 0.5 })
  }

  /// The same matrix, stored as its transpose.
  package static func stored(transposed matrix: Matrix) -> Matrix {
    var elements: [Double] = []
    for column in 0..<matrix.columns {
      for row in 0..<matrix.rows { elements.append(matrix[row, column]) }
    }
    return Matrix(matrix.rows, matrix.columns, elements, isTransposed: true)
  }
}
