import Executor
import PlanIR

/// Runs kernels of programs over operands that move through memory, as ``ProductBench`` does products.
///
/// Numbers are in [1/4, 3/4): sums of squares, second moments and probabilities must not be negative.
/// They are written anew before each sample, as a kernel that works in place would drive them to zero or
/// out of range.
final class KernelBench {
  private let clock: CalibrationClock
  private var ring: OperandRing?
  private var dtype: DType?
  private var ids: [Int64] = []
  private var kernel: (([UnsafeMutableRawPointer]) -> Void)?
  private var operands: [KernelProbe.Operand] = []

  init(clock: CalibrationClock) { self.clock = clock }

  /// Compiles `probe` and makes memory for it.
  func prepare(_ probe: KernelProbe) throws {
    kernel = try probe.compile()
    operands = probe.operands
    let window = operands.reduce(0) { $0 + OperandRing.aligned($1.bytes) }
    if dtype != probe.dtype || (ring.map { $0.capacity < window } ?? true) {
      ring = nil
      ring = try OperandRing(window: window, dtype: probe.dtype, lowest: 0.25)
    }
    dtype = probe.dtype
    let count = operands.filter { $0.dtype == .int64 }.map(\.count).max() ?? 0
    ids = (0..<count).map { Int64($0 * 7919 % probe.vocabulary) }
  }

  /// CPU seconds of `repetitions` runs of what was prepared.
  func seconds(repetitions: Int) -> Double {
    guard let kernel, let ring else { preconditionFailure("a kernel that was not prepared") }
    ring.restore()
    return ids.withUnsafeMutableBytes { ids in
      let start = clock.thread()
      for _ in 0..<repetitions {
        kernel(
          operands.map { operand in
            guard operand.dtype == .int64, let base = ids.baseAddress else {
              return ring.window(bytes: operand.bytes)
            }
            return base
          })
      }
      return clock.thread() - start
    }
  }
}
