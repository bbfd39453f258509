package import PlanIR

/// A matrix product to be measured: sizes, orientation and element type.
package struct MatmulProduct: Hashable, Sendable {
  /// Which operands are stored transposed, the first one's letter first.
  package enum Transposition: String, Hashable, Sendable, CaseIterable {
    case neither = "NN"
    case second = "NT"
    case first = "TN"
    case both = "TT"

    var transposesFirst: Bool { self == .first || self == .both }
    var transposesSecond: Bool { self == .second || self == .both }
  }

  /// Rows of the result, columns of the result, length of the contraction.
  package let m, n, k: Int
  package let transposition: Transposition
  /// float32 or float64.
  package let dtype: DType

  /// A product, or nil where an extent is not in 1...2^31-1, which is what BLAS takes, or `dtype`
  /// is not one that kernels compute in.
  package init?(
    m: Int, n: Int, k: Int, transposition: Transposition = .neither, dtype: DType = .float32
  ) {
    let extents = 1...Int(Int32.max)
    guard extents.contains(m), extents.contains(n), extents.contains(k) else { return nil }
    guard dtype == .float32 || dtype == .float64 else { return nil }
    (self.m, self.n, self.k) = (m, n, k)
    self.transposition = transposition
    self.dtype = dtype
  }

  /// The product that a program's contraction is, or nil as above.
  package init?(_ shape: MatmulShape, dtype: DType) {
    guard let transposition = Transposition(rawValue: shape.transposition) else { return nil }
    self.init(
      m: shape.m, n: shape.n, k: shape.k, transposition: transposition, dtype: dtype)
  }

  /// Floating-point operations: a multiplication and an addition for each term.
  package var flops: Double { 2 * Double(m) * Double(n) * Double(k) }

  /// Bytes of both operands and of the result.
  package var bytes: Double {
    let (m, n, k) = (Double(m), Double(n), Double(k))
    return (m * k + k * n + m * n) * Double(dtype.width)
  }

  /// Under what the product's time is kept on a machine.
  package func key(fingerprint: String) -> TimingKey {
    TimingKey(
      kernel: MatmulTimings.kernel, dtype: dtype, shape: [m, n, k],
      transposition: transposition.rawValue, backend: MatmulTimings.backend,
      fingerprint: fingerprint)
  }
}
