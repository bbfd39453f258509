import PlanIR

extension NormKernels {
  /// dstats [2, rows] = sums over local columns of dxhat and of dxhat * xhat (layer), or
  /// dstats [1, rows] = sums of dxhat * xhat (rms), where dxhat = dy * gain.
  ///
  /// dy and x are [rows, columns]; `stats` are the whole rows'.
  package static func gradientStatistics(
    _ dy: TensorView, x: TensorView, stats: TensorView, gain: TensorView, shape: NormShape,
    into dstats: TensorView
  ) {
    switch x.precision {
    case .single: gradientStatistics(Float.self, dy, x, stats, gain, shape, dstats)
    case .double: gradientStatistics(Double.self, dy, x, stats, gain, shape, dstats)
    }
  }

  private static func gradientStatistics<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ dy: TensorView, _ x: TensorView, _ stats: TensorView,
    _ gain: TensorView, _ shape: NormShape, _ dstats: TensorView
  ) {
    let (factor, output) = (UnsafePointer(gain.values(type)), dstats.values(type))
    for row in 0..<shape.rows {
      let scale = RowScale(stats.values(type), row: row, shape: shape)
      let upstream = UnsafePointer(dy.values(type) + row * shape.columns)
      let line = UnsafePointer(x.values(type) + row * shape.columns)
      let product = projection(upstream, line, factor, scale, count: shape.columns)
      switch shape.kind {
      case .layer:
        output[row] = Scalar(Loops.dot(upstream, factor, count: shape.columns))
        output[shape.rows + row] = Scalar(product)
      case .rms: output[row] = Scalar(product)
      }
    }
  }

  /// The sum over one row of dy * gain * xhat.
  private static func projection<Scalar: KernelFloat>(
    _ dy: UnsafePointer<Scalar>, _ x: UnsafePointer<Scalar>, _ gain: UnsafePointer<Scalar>,
    _ scale: RowScale, count: Int
  ) -> Double {
    let mean = SIMD4<Double>(repeating: scale.mean)
    let sum = Loops.sum(count: count) {
      Scalar.lanes(at: dy + $0) * Scalar.lanes(at: gain + $0)
        * (Scalar.lanes(at: x + $0) - mean)
    } term: {
      dy[$0].widened * gain[$0].widened * (x[$0].widened - scale.mean)
    }
    return sum * scale.reciprocal
  }

  /// dx [rows, columns] (+)= reciprocal * (dxhat - mean(dxhat) - xhat * mean(dxhat * xhat)), the
  /// middle term for layer only, from the whole rows' `stats` and `dstats`.
  ///
  /// `dx` must not overlap the inputs.
  package static func gradientInput(
    _ dy: TensorView, x: TensorView, stats: TensorView, dstats: TensorView, gain: TensorView,
    shape: NormShape, into dx: TensorView, accumulate: Bool
  ) {
    let operands = GradientOperands(dy: dy, x: x, stats: stats, dstats: dstats, gain: gain)
    switch x.precision {
    case .single: gradientInput(Float.self, operands, shape, dx, accumulate)
    case .double: gradientInput(Double.self, operands, shape, dx, accumulate)
    }
  }

  private struct GradientOperands {
    var dy, x, stats, dstats, gain: TensorView
  }

  private static func gradientInput<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ operands: GradientOperands, _ shape: NormShape, _ dx: TensorView,
    _ accumulate: Bool
  ) {
    let (columns, gain) = (shape.columns, UnsafePointer(operands.gain.values(type)))
    for row in 0..<shape.rows {
      let line = GradientLine<Scalar>(
        stats: operands.stats.values(type), dstats: operands.dstats.values(type), row: row,
        shape: shape)
      let upstream = UnsafePointer(operands.dy.values(type) + row * columns)
      let input = UnsafePointer(operands.x.values(type) + row * columns)
      let output = dx.values(type) + row * columns
      let keep: Scalar = accumulate ? 1 : 0
      if !accumulate { Loops.zero(output, count: columns) }
      for column in 0..<columns {
        let change = line.change(dy: upstream[column], x: input[column], gain: gain[column])
        output[column] = keep * output[column] + change
      }
    }
  }

  /// What one row of the input's gradient needs of the statistics.
  private struct GradientLine<Scalar: KernelFloat> {
    var mean, reciprocal, centre, slope: Scalar

    init(
      stats: UnsafePointer<Scalar>, dstats: UnsafePointer<Scalar>, row: Int, shape: NormShape
    ) {
      let scale = RowScale(stats, row: row, shape: shape)
      mean = Scalar(scale.mean)
      reciprocal = Scalar(scale.reciprocal)
      let columns = Double(shape.globalColumns)
      switch shape.kind {
      case .layer:
        centre = Scalar(dstats[row].widened / columns)
        slope = Scalar(dstats[shape.rows + row].widened / columns)
      case .rms:
        centre = 0
        slope = Scalar(dstats[row].widened / columns)
      }
    }

    @inline(__always)
    func change(dy: Scalar, x: Scalar, gain: Scalar) -> Scalar {
      reciprocal * (dy * gain - centre - (x - mean) * reciprocal * slope)
    }
  }

  /// dgain [columns] (+)= the sum over rows of dy * xhat, summed in double.
  ///
  /// Scratch: 16 bytes a row, plus 2 KiB. The gradient of the bias is
  /// ``ElementwiseKernels/sumRows(_:rows:columns:into:accumulate:)`` of dy.
  package static func gradientGain(
    _ dy: TensorView, x: TensorView, stats: TensorView, shape: NormShape, into dgain: TensorView,
    accumulate: Bool
  ) {
    switch x.precision {
    case .single: gradientGain(Float.self, dy, x, stats, shape, dgain, accumulate)
    case .double: gradientGain(Double.self, dy, x, stats, shape, dgain, accumulate)
    }
  }

  private static func gradientGain<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ dy: TensorView, _ x: TensorView, _ stats: TensorView,
    _ shape: NormShape, _ dgain: TensorView, _ accumulate: Bool
  ) {
    let (upstream, input) = (dy.values(type), x.values(type))
    let columns = shape.columns
    withScratch(RowScale.self, count: shape.rows) { scales in
      for row in 0..<shape.rows {
        (scales + row).initialize(to: RowScale(stats.values(type), row: row, shape: shape))
      }
      Loops.sumRows(
        rows: shape.rows, columns: columns, into: dgain.values(type), accumulate: accumulate
      ) { row, start, sums in
        let (slopes, line) = (upstream + row * columns + start, input + row * columns + start)
        let scale = scales[row]
        for column in 0..<sums.count {
          let xhat = (line[column].widened - scale.mean) * scale.reciprocal
          sums[column] += slopes[column].widened * xhat
        }
      }
    }
  }
}
