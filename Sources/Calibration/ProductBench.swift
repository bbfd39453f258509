import Kernels
import PlanIR

/// Runs products over operands that move through memory.
final class ProductBench {
  private let clock: CalibrationClock
  private var dtype: DType?
  private var inputs: OperandRing?
  private var outputs: OperandRing?

  init(clock: CalibrationClock) { self.clock = clock }

  /// CPU seconds of `repetitions` runs of `product`, after ``prepare(_:)`` for it.
  func seconds(of product: MatmulProduct, repetitions: Int) -> Double {
    let start = clock.thread()
    for _ in 0..<repetitions { run(product) }
    return clock.thread() - start
  }

  /// Makes memory for `product`, where what is there is too small or of another type.
  func prepare(_ product: MatmulProduct) throws(CalibrationError) {
    if dtype != product.dtype { (inputs, outputs) = (nil, nil) }
    dtype = product.dtype
    inputs = try ring(inputs, window: product.aBytes + product.bBytes, product.dtype)
    outputs = try ring(outputs, window: product.cBytes, product.dtype)
  }

  private func ring(
    _ ring: consuming OperandRing?, window: Int, _ dtype: DType
  ) throws(CalibrationError) -> OperandRing {
    if let ring, ring.capacity >= window { return ring }
    return try OperandRing(window: window, dtype: dtype)
  }

  /// Results have a ring of their own: as operands they would grow from run to run.
  private func run(_ product: MatmulProduct) {
    guard let inputs, let outputs else { preconditionFailure("a product without memory") }
    let (m, n, k) = (product.m, product.n, product.k)
    let a = inputs.window(bytes: product.aBytes + product.bBytes)
    let c = outputs.window(bytes: product.cBytes)
    MatmulKernels.multiply(
      TensorView(base: a, dtype: product.dtype, count: m * k),
      TensorView(base: a + product.aBytes, dtype: product.dtype, count: k * n),
      into: TensorView(base: c, dtype: product.dtype, count: m * n), m: m, n: n, k: k,
      transposeA: product.transposition.transposesFirst,
      transposeB: product.transposition.transposesSecond)
  }
}

extension MatmulProduct {
  /// Bytes from the first operand's start to the second's, which begins a cache line.
  fileprivate var aBytes: Int { (m * k * dtype.width + 63) & -64 }
  fileprivate var bBytes: Int { k * n * dtype.width }
  fileprivate var cBytes: Int { m * n * dtype.width }
}
