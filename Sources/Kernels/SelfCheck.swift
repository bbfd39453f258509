package import PlanIR

/// A check at start-up that this machine's BLAS multiplies rightly.
///
/// Old OpenBLAS builds are wrong on some processors, and `OPENBLAS_CORETYPE` can choose any
/// kernel; a wrong product must not be blamed on a plan.
package enum SelfCheck {
  /// Odd shapes that reach the edges of the blocked kernels.
  static let shapes = [(1, 1, 1), (3, 5, 7), (17, 1, 33), (1, 65, 9), (31, 47, 65), (70, 33, 129)]

  /// Compares products with the naive kernel over odd shapes, both precisions and every
  /// orientation; some milliseconds.
  package static func run() throws(KernelError) {
    for (m, n, k) in shapes {
      for orientation in 0..<4 {
        let (transposeA, transposeB) = (orientation & 1 != 0, orientation & 2 != 0)
        for dtype in [DType.float32, .float64] {
          let error = largestError(dtype, m, n, k, transposeA, transposeB)
          guard error <= tolerance(dtype, k) else {
            throw .miscomputes(core: BLASLibrary.core)
          }
        }
      }
    }
  }

  /// What rounding explains for sums of `k` terms of at most 1/4: 4 sqrt(k) units.
  package static func tolerance(_ dtype: DType, _ k: Int) -> Double {
    let unit = dtype == .float32 ? Double(Float.ulpOfOne) : Double.ulpOfOne
    return 4 * unit * Double(max(k, 1)).squareRoot()
  }

  /// The largest difference between the library's product and the naive one, for operands drawn
  /// from the shape; not a number if the product is.
  package static func largestError(
    _ dtype: DType, _ m: Int, _ n: Int, _ k: Int, _ transposeA: Bool, _ transposeB: Bool
  ) -> Double {
    let a = operand(m * k, dtype, "self-check a")
    let b = operand(k * n, dtype, "self-check b")
    let expected = Naive.multiply(
      a, b, m: m, n: n, k: k, transposeA: transposeA, transposeB: transposeB)
    let actual =
      switch dtype {
      case .float32: product(Float.self, a, b, m, n, k, transposeA, transposeB)
      case .float64, .float16, .bfloat16, .int64, .uint8:
        product(Double.self, a, b, m, n, k, transposeA, transposeB)
      }
    return zip(expected, actual).reduce(0) { worst, pair in
      let error = abs(pair.0 - pair.1)
      return error <= worst ? worst : error
    }
  }

  /// Uniform in [-1/2, 1/2), exact in either precision.
  private static func operand(_ count: Int, _ dtype: DType, _ name: String) -> [Double] {
    let generator = CounterGenerator(seed: UInt64(count), name: name)
    return (0..<count).map { index in
      let value = generator.uniform(at: UInt64(index)) - 0.5
      return dtype == .float32 ? Double(Float(value)) : value
    }
  }

  private static func product<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ a: [Double], _ b: [Double], _ m: Int, _ n: Int, _ k: Int,
    _ transposeA: Bool, _ transposeB: Bool
  ) -> [Double] {
    var (left, right) = (a.map { Scalar($0) }, b.map { Scalar($0) })
    var output = [Scalar](repeating: 0, count: m * n)
    left.withView { a in
      right.withView { b in
        output.withView { c in
          MatmulKernels.multiply(
            a, b, into: c, m: m, n: n, k: k, transposeA: transposeA, transposeB: transposeB)
        }
      }
    }
    return output.map(\.widened)
  }
}

extension Array where Element: KernelFloat {
  /// Calls `body` with a view of the elements, valid until it returns.
  fileprivate mutating func withView(_ body: (TensorView) -> Void) {
    withUnsafeMutableBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      body(TensorView(base: base, dtype: Element.dtype, count: bytes.count / Element.dtype.width))
    }
  }
}
