import PlanIR

/// LayerNorm and RMSNorm in two phases, because the normalised dimension may be sharded.
///
///     statistics      local sums over columns   [1 or 2, rows]   then all-reduce over the shards
///     apply           y = xhat * gain + bias
///     gradientStatistics, gradientInput           the same two phases backward
///
/// With xhat = (x - mean) / sqrt(variance + epsilon) for layer, x / sqrt(mean(x^2) + epsilon) for
/// rms. Sums are taken in double. Where the row is whole the all-reduce falls away.
package enum NormKernels {
  /// stats [2, rows] = sums of x and of x^2 over the local columns of x [rows, columns] (layer),
  /// or stats [1, rows] = sums of x^2 (rms).
  package static func statistics(_ x: TensorView, shape: NormShape, into stats: TensorView) {
    switch x.precision {
    case .single: statistics(Float.self, x, shape, stats)
    case .double: statistics(Double.self, x, shape, stats)
    }
  }

  private static func statistics<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ x: TensorView, _ shape: NormShape, _ stats: TensorView
  ) {
    let (input, output) = (x.values(type), stats.values(type))
    let (rows, columns) = (shape.rows, shape.columns)
    for row in 0..<rows {
      let line = UnsafePointer(input + row * columns)
      switch shape.kind {
      case .layer:
        output[row] = Scalar(Loops.sum(line, count: columns))
        output[rows + row] = Scalar(Loops.dot(line, line, count: columns))
      case .rms: output[row] = Scalar(Loops.dot(line, line, count: columns))
      }
    }
  }

  /// y [rows, columns] = xhat * gain [columns] (+ bias [columns]), from the whole rows' `stats`;
  /// in place ok on `x`.
  package static func apply(
    _ x: TensorView, stats: TensorView, gain: TensorView, bias: TensorView?, shape: NormShape,
    into y: TensorView
  ) {
    switch x.precision {
    case .single: apply(Float.self, x, stats, gain, bias, shape, y)
    case .double: apply(Double.self, x, stats, gain, bias, shape, y)
    }
  }

  private static func apply<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ x: TensorView, _ stats: TensorView, _ gain: TensorView,
    _ bias: TensorView?, _ shape: NormShape, _ y: TensorView
  ) {
    let (columns, sums, factor) = (shape.columns, stats.values(type), gain.values(type))
    for row in 0..<shape.rows {
      let scale = RowScale(sums, row: row, shape: shape)
      let (mean, reciprocal) = (Scalar(scale.mean), Scalar(scale.reciprocal))
      let source = UnsafePointer(x.values(type) + row * columns)
      let target = y.values(type) + row * columns
      Loops.zip(source, factor, into: target, count: columns) { ($0 - mean) * reciprocal * $1 }
      guard let shift = bias?.values(type) else { continue }
      Loops.zip(target, shift, into: target, count: columns) { $0 + $1 }
    }
  }
}
