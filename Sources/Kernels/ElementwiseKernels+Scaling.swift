import PlanIR

extension ElementwiseKernels {
  /// x = factor * x.
  package static func scale(_ x: TensorView, by factor: Double) {
    scaledCopy(x, factor: factor, into: x)
  }

  /// y = factor * x; in place ok.
  package static func scaledCopy(_ x: TensorView, factor: Double, into y: TensorView) {
    precondition(x.count == y.count, "scaled copy of unequal counts")
    switch y.precision {
    case .single: scaledCopy(Float.self, x, factor, y)
    case .double: scaledCopy(Double.self, x, factor, y)
    }
  }

  private static func scaledCopy<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ x: TensorView, _ factor: Double, _ y: TensorView
  ) {
    let multiplier = Scalar(factor)
    Loops.map(x.values(type), into: y.values(type), count: y.count) { multiplier * $0 }
  }

  /// y = x, of any dtype; the two may overlap.
  package static func copy(_ x: TensorView, into y: TensorView) {
    precondition(x.dtype == y.dtype && x.count == y.count, "copy between unlike tensors")
    y.base.copyMemory(from: x.base, byteCount: x.count * x.dtype.width)
  }

  /// x = 0, of any dtype.
  package static func zero(_ x: TensorView) {
    x.base.initializeMemory(as: UInt8.self, repeating: 0, count: x.count * x.dtype.width)
  }

  /// The inner product of x and y, summed in double.
  package static func dotProduct(_ x: TensorView, _ y: TensorView) -> Double {
    precondition(x.count == y.count, "inner product of unequal counts")
    return switch x.precision {
    case .single: Loops.dot(x.values(Float.self), y.values(Float.self), count: x.count)
    case .double: Loops.dot(x.values(Double.self), y.values(Double.self), count: x.count)
    }
  }
}
