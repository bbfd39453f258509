/// The sizes and transpositions of the local product that a contraction is.
package struct MatmulShape: Hashable, Sendable {
  /// Rows of the result, columns of the result, length of the contraction.
  package var m, n, k: Int
  package var transposeA, transposeB: Bool
  /// Whether the operands change places: the result's rows come from the second.
  package var swapsOperands: Bool

  /// The product that contracts `a` and `b` into `c`, by their local parts.
  package init(a: TensorType, b: TensorType, c: TensorType) {
    let operands = MatmulOperands(a: a, b: b, c: c)
    func size(_ type: TensorType, _ isIncluded: (Dimension) -> Bool) -> Int {
      zip(type.dimensions, type.localSizes).filter { isIncluded($0.0) }.reduce(1) { $0 * $1.1 }
    }
    self.init(
      operands, m: size(operands.first) { !operands.isContracted($0) },
      n: size(operands.second) { !operands.isContracted($0) },
      k: size(operands.first, operands.isContracted))
  }

  /// The product of `operands` whose local sizes are given.
  package init(_ operands: MatmulOperands, m: Int, n: Int, k: Int) {
    (self.m, self.n, self.k) = (m, n, k)
    swapsOperands = operands.areSwapped
    transposeA = operands.first.dimensions.first.map(operands.isContracted) ?? false
    transposeB = operands.second.dimensions.last.map(operands.isContracted) ?? false
  }

  /// A product of given sizes, its operands in order.
  package init(m: Int, n: Int, k: Int, transposeA: Bool, transposeB: Bool) {
    (self.m, self.n, self.k) = (m, n, k)
    (self.transposeA, self.transposeB, swapsOperands) = (transposeA, transposeB, false)
  }

  /// `NN`, `NT`, `TN` or `TT`.
  package var transposition: String { (transposeA ? "T" : "N") + (transposeB ? "T" : "N") }

  /// Floating-point operations: a multiplication and an addition for each term.
  package var flops: Int { 2 * m * n * k }
}

/// The operands of a product in the order in which it is computed: the result's rows come from the
/// first. The dimensions of each operand that the result has, and those it has not, are adjacent.
///
/// Dimensions that all three share (none in a transformer's linears) are not supported.
package struct MatmulOperands {
  package let first, second: TensorType
  /// Whether they change places.
  package let areSwapped: Bool
  private let result: [Dimension]

  package init(a: TensorType, b: TensorType, c: TensorType) {
    areSwapped = !(c.dimensions.first.map { a.dimensions.contains($0) } ?? true)
    (first, second) = areSwapped ? (b, a) : (a, b)
    result = c.dimensions
  }

  /// Whether the product sums over `dimension`.
  package func isContracted(_ dimension: Dimension) -> Bool { !result.contains(dimension) }
}
