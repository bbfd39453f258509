/// The sizes and transpositions of the local product that a contraction is.
package struct MatmulShape: Hashable, Sendable {
  /// Rows of the result, columns of the result, length of the contraction.
  package var m, n, k: Int
  package var transposeA, transposeB: Bool
  /// Whether the operands change places: the result's rows come from the second.
  package var swapsOperands: Bool

  /// The product that contracts `a` and `b` into `c`, by their local parts: the dimensions of each
  /// operand that the result has, and those it has not, are adjacent.
  ///
  /// Dimensions that all three share (none in a transformer's linears) are not supported.
  package init(a: TensorType, b: TensorType, c: TensorType) {
    swapsOperands = !(c.dimensions.first.map { a.dimensions.contains($0) } ?? true)
    let (first, second) = swapsOperands ? (b, a) : (a, b)
    func isContracted(_ dimension: Dimension) -> Bool { !c.dimensions.contains(dimension) }
    func product(_ type: TensorType, _ isIncluded: (Dimension) -> Bool) -> Int {
      zip(type.dimensions, type.localSizes).filter { isIncluded($0.0) }.reduce(1) { $0 * $1.1 }
    }
    m = product(first) { !isContracted($0) }
    k = product(first, isContracted)
    n = product(second) { !isContracted($0) }
    transposeA = first.dimensions.first.map(isContracted) ?? false
    transposeB = second.dimensions.last.map(isContracted) ?? false
  }

  /// `NN`, `NT`, `TN` or `TT`.
  package var transposition: String { (transposeA ? "T" : "N") + (transposeB ? "T" : "N") }

  /// Floating-point operations: a multiplication and an addition for each term.
  package var flops: Int { 2 * m * n * k }
}
