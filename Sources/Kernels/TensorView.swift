package import PlanIR

/// A dense row-major run of elements that a kernel reads or writes: base address, type and count.
///
/// The view owns nothing. It crosses threads as a value, and is sound to send because whoever
/// allocated the memory orders the kernels that touch it (a rank's own program order, or a
/// collective's barrier); the kernels keep no view after they return.
package struct TensorView: @unchecked Sendable {
  /// The first element.
  package var base: UnsafeMutableRawPointer
  /// float32 or float64 for values, int64 for identifiers and labels, uint8 for masks.
  package var dtype: DType
  /// Number of elements.
  package var count: Int

  /// A view of `count` elements of `dtype` at `base`.
  package init(base: UnsafeMutableRawPointer, dtype: DType, count: Int) {
    self.base = base
    self.dtype = dtype
    self.count = count
  }
}

extension TensorView {
  /// The two element types arithmetic runs in, each with its own compiled body.
  enum Precision { case single, double }

  /// The precision of a tensor of values; anything but float32 and float64 is a planner's bug.
  var precision: Precision {
    switch dtype {
    case .float32: .single
    case .float64: .double
    case .float16, .bfloat16, .int64, .uint8:
      preconditionFailure("kernels compute in float32 or float64, not \(dtype.rawValue)")
    }
  }

  /// The elements as `Scalar`; all values of one call must share one dtype.
  func values<Scalar: KernelFloat>(_ type: Scalar.Type = Scalar.self) -> UnsafeMutablePointer<
    Scalar
  > {
    precondition(dtype == Scalar.dtype, "expected \(Scalar.dtype), got \(dtype)")
    return base.assumingMemoryBound(to: Scalar.self)
  }

  /// The elements as 64-bit identifiers or labels.
  var integers: UnsafePointer<Int64> {
    precondition(dtype == .int64, "expected int64, got \(dtype.rawValue)")
    return UnsafePointer(base.assumingMemoryBound(to: Int64.self))
  }

  /// The elements as mask bytes, 1 for kept and 0 for dropped.
  var mask: UnsafeMutablePointer<UInt8> {
    precondition(dtype == .uint8, "expected uint8, got \(dtype.rawValue)")
    return base.assumingMemoryBound(to: UInt8.self)
  }
}
