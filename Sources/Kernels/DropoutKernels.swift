package import PlanIR

/// Dropout whose mask depends on seed, stream and global element index alone.
package enum DropoutKernels {
  /// y = x / (1 - probability) where the mask is 1, else 0 (for finite x), and the mask;
  /// in place ok.
  ///
  /// An element is kept where the generator's uniform at its global index is at least
  /// `probability`. mask holds a byte an element.
  package static func forward(
    _ x: TensorView, probability: Double, generator: CounterGenerator, index: DropoutIndex,
    into y: TensorView, mask: TensorView
  ) {
    precondition(index.rowCount * index.rowSize == x.count, "a placement of another shape")
    switch x.precision {
    case .single: forward(Float.self, x, probability, generator, index, y, mask)
    case .double: forward(Double.self, x, probability, generator, index, y, mask)
    }
  }

  private static func forward<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ x: TensorView, _ probability: Double, _ generator: CounterGenerator,
    _ index: DropoutIndex, _ y: TensorView, _ mask: TensorView
  ) {
    let draw = DropoutDraw(generator: generator, probability: probability)
    for row in 0..<index.rowCount {
      let bytes = mask.mask + row * index.rowSize
      draw.fill(bytes, count: index.rowSize, from: index.globalIndex(ofRow: row))
    }
    gradient(type, x, mask, probability, y)
  }

  /// dx = dy / (1 - probability) where the mask is 1, else 0; in place ok.
  package static func gradient(
    _ dy: TensorView, mask: TensorView, probability: Double, into dx: TensorView
  ) {
    precondition(dy.count == dx.count && mask.count == dx.count, "dropout of unequal counts")
    switch dx.precision {
    case .single: gradient(Float.self, dy, mask, probability, dx)
    case .double: gradient(Double.self, dy, mask, probability, dx)
    }
  }

  private static func gradient<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ dy: TensorView, _ mask: TensorView, _ probability: Double,
    _ dx: TensorView
  ) {
    let (upstream, output, bytes) = (dy.values(type), dx.values(type), mask.mask)
    let factor = keptFactor(probability, type)
    apply(UnsafePointer(bytes), UnsafePointer(upstream), output, count: dx.count, factor: factor)
  }

  /// y = x * mask * factor; in place ok.
  @inline(__always)
  static func apply<Scalar: KernelFloat>(
    _ mask: UnsafePointer<UInt8>, _ x: UnsafePointer<Scalar>, _ y: UnsafeMutablePointer<Scalar>,
    count: Int, factor: Scalar
  ) {
    if x == UnsafePointer(y) {
      for index in 0..<count { y[index] *= Scalar(byte: mask[index]) * factor }
    } else {
      for index in 0..<count { y[index] = x[index] * (Scalar(byte: mask[index]) * factor) }
    }
  }

  /// 1 / (1 - probability), or 0 where nothing is kept.
  static func keptFactor<Scalar: KernelFloat>(
    _ probability: Double, _ type: Scalar.Type
  ) -> Scalar {
    probability < 1 ? Scalar(1 / (1 - probability)) : 0
  }
}
