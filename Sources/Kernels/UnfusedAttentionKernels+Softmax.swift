extension UnfusedAttentionKernels {
  /// p [rows, columns] = softmax of s by rows; in place ok. A row all -infinity gives zeros.
  package static func softmax(_ s: TensorView, rows: Int, columns: Int, into p: TensorView) {
    precondition(s.count == rows * columns && p.count == s.count, "softmax of another shape")
    if s.base != p.base { ElementwiseKernels.copy(s, into: p) }
    switch p.precision {
    case .single: softmax(Float.self, p, rows, columns)
    case .double: softmax(Double.self, p, rows, columns)
    }
  }

  private static func softmax<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ p: TensorView, _ rows: Int, _ columns: Int
  ) {
    for row in 0..<rows {
      SoftmaxRow.normalise(
        p.values(type) + row * columns, count: columns, visible: 0..<columns)
    }
  }

  /// ds [rows, columns] = p * (dp - sum over the row of p * dp); in place ok on `dp`.
  package static func softmaxGradient(
    dp: TensorView, p: TensorView, rows: Int, columns: Int, into ds: TensorView
  ) {
    precondition(dp.count == rows * columns && p.count == dp.count, "softmax of another shape")
    switch ds.precision {
    case .single: softmaxGradient(Float.self, dp, p, rows, columns, ds)
    case .double: softmaxGradient(Double.self, dp, p, rows, columns, ds)
    }
  }

  private static func softmaxGradient<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ dp: TensorView, _ p: TensorView, _ rows: Int, _ columns: Int,
    _ ds: TensorView
  ) {
    for start in stride(from: 0, to: rows * columns, by: max(columns, 1)) {
      let upstream = UnsafePointer(dp.values(type) + start)
      let probabilities = UnsafePointer(p.values(type) + start)
      let mean = Scalar(Loops.dot(upstream, probabilities, count: columns))
      Loops.zip(upstream, probabilities, into: ds.values(type) + start, count: columns) {
        $1 * ($0 - mean)
      }
    }
  }
}
