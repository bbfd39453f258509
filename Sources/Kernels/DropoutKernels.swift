package import PlanIR

/// Dropout whose mask depends on seed, stream and global element index alone.
package enum DropoutKernels {
  /// y = x / (1 - probability) where the mask is 1, else 0, and the mask; in place ok.
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
    let (input, output, bytes) = (x.values(type), y.values(type), mask.mask)
    let factor = keptFactor(probability, type)
    for row in 0..<index.rowCount {
      let first = index.globalIndex(ofRow: row)
      for column in 0..<index.rowSize {
        let local = row * index.rowSize + column
        let kept = generator.uniform(at: first &+ UInt64(column)) >= probability
        bytes[local] = kept ? 1 : 0
        output[local] = kept ? input[local] * factor : 0
      }
    }
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
    for index in 0..<dx.count { output[index] = bytes[index] != 0 ? upstream[index] * factor : 0 }
  }

  /// 1 / (1 - probability), or 0 where nothing is kept.
  static func keptFactor<Scalar: KernelFloat>(
    _ probability: Double, _ type: Scalar.Type
  ) -> Scalar {
    probability < 1 ? Scalar(1 / (1 - probability)) : 0
  }
}
