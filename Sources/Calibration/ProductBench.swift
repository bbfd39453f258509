import Kernels
import PlanIR

/// Runs products over operands as a step meets them.
///
/// What was computed just before is in the caches: it stays where it is from run to run. What was last read or
/// written by kernels long before comes from a ring that is larger than the caches: weights, and of the gradient of a
/// weight (`TN`) the value that the forward pass kept; and where results are written.
final class ProductBench {
  private let clock: CalibrationClock
  private var dtype: DType?
  private var inputs: OperandRing?
  private var outputs: OperandRing?
  private var near: OperandRing?

  init(clock: CalibrationClock) { self.clock = clock }

  /// CPU seconds of `repetitions` runs of `product`, after ``prepare(_:)`` for it.
  func seconds(of product: MatmulProduct, repetitions: Int) -> Double {
    let start = clock.thread()
    for _ in 0..<repetitions { run(product) }
    return clock.thread() - start
  }

  /// Makes memory for `product`, where what is there is too small or of another type.
  func prepare(_ product: MatmulProduct) throws(CalibrationError) {
    if dtype != product.dtype { (inputs, outputs, near) = (nil, nil, nil) }
    dtype = product.dtype
    inputs = try ring(inputs, window: max(product.aBytes, product.bBytes), product.dtype)
    outputs = try ring(outputs, window: product.cBytes, product.dtype)
    near = try ring(near, window: max(product.aBytes, product.bBytes), product.dtype)
  }

  private func ring(
    _ ring: consuming OperandRing?, window: Int, _ dtype: DType
  ) throws(CalibrationError) -> OperandRing {
    if let ring, ring.capacity >= window { return ring }
    return try OperandRing(window: window, dtype: dtype)
  }

  /// Results have a ring of their own: as operands they would grow from run to run.
  private func run(_ product: MatmulProduct) {
    guard let inputs, let outputs, let near else {
      preconditionFailure("a product without memory")
    }
    let (m, n, k) = (product.m, product.n, product.k)
    let isGradient = product.transposition == .first
    let a = isGradient ? inputs.window(bytes: product.aBytes) : near.start
    let b = isGradient ? near.start : inputs.window(bytes: product.bBytes)
    let c = outputs.window(bytes: product.cBytes)
    MatmulKernels.multiply(
      TensorView(base: a, dtype: product.dtype, count: m * k),
      TensorView(base: b, dtype: product.dtype, count: k * n),
      into: TensorView(base: c, dtype: product.dtype, count: m * n), m: m, n: n, k: k,
      transposeA: product.transposition.transposesFirst,
      transposeB: product.transposition.transposesSecond)
  }
}

extension MatmulProduct {
  fileprivate var aBytes: Int { m * k * dtype.width }
  fileprivate var bBytes: Int { k * n * dtype.width }
  fileprivate var cBytes: Int { m * n * dtype.width }
}
