extension Naive {
  /// op(a) op(b), with op(a) [m, k] and op(b) [k, n], as ``MatmulKernels`` documents them.
  package static func multiply(
    _ a: [Double], _ b: [Double], m: Int, n: Int, k: Int, transposeA: Bool, transposeB: Bool
  ) -> [Double] {
    var c = [Double](repeating: 0, count: m * n)
    for row in 0..<m {
      for column in 0..<n {
        for term in 0..<k {
          let left = transposeA ? a[term * m + row] : a[row * k + term]
          let right = transposeB ? b[column * k + term] : b[term * n + column]
          c[row * n + column] += left * right
        }
      }
    }
    return c
  }
}
