/// Matrix products, by OpenBLAS.
package enum MatmulKernels {
  /// c (+)= op(a) op(b), where op(a) is [m, k], op(b) is [k, n] and c is [m, n].
  ///
  /// Stored shapes: a is [m, k], or [k, m] if `transposeA`; b is [k, n], or [n, k] if
  /// `transposeB`. Any extent may be zero; a sum of no terms is zero. `c` must not overlap
  /// `a` or `b`.
  package static func multiply(
    _ a: TensorView, _ b: TensorView, into c: TensorView, m: Int, n: Int, k: Int,
    transposeA: Bool = false, transposeB: Bool = false, accumulate: Bool = false
  ) {
    precondition(a.count >= m * k && b.count >= k * n && c.count >= m * n, "matmul out of bounds")
    let extents = (m: m, n: n, k: k)
    switch c.precision {
    case .single:
      multiply(Float.self, a, b, c, extents, transposeA, transposeB, accumulate)
    case .double:
      multiply(Double.self, a, b, c, extents, transposeA, transposeB, accumulate)
    }
  }

  private static func multiply<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ a: TensorView, _ b: TensorView, _ c: TensorView,
    _ extents: (m: Int, n: Int, k: Int), _ transposeA: Bool, _ transposeB: Bool,
    _ accumulate: Bool
  ) {
    let (m, n, k) = extents
    let output = c.values(type)
    guard m > 0, n > 0 else { return }
    guard k > 0 else {
      if !accumulate { Loops.zero(output, count: m * n) }
      return
    }
    Scalar.multiply(
      MatrixOperand(a.values(type), stride: transposeA ? m : k, transposed: transposeA),
      MatrixOperand(b.values(type), stride: transposeB ? k : n, transposed: transposeB),
      into: output, stride: n, m: m, n: n, k: k, alpha: 1, beta: accumulate ? 1 : 0)
  }
}
