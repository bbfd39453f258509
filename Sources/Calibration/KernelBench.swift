import Executor
import PlanIR

/// Runs kernels of programs over operands as a step meets them: what it has used just before stays where it is, all else
/// moves through memory, as ``ProductBench`` has it of products.
///
/// Numbers are in [1/4, 3/4): sums of squares, second moments and probabilities must not be negative.
/// They are written anew before each sample, as a kernel that works in place would drive them to zero or
/// out of range.
final class KernelBench {
  private let clock: CalibrationClock
  private var ring: OperandRing?
  private var near: OperandRing?
  /// Of operands that stay where they are.
  private var places: [UnsafeMutableRawPointer?] = []
  private var dtype: DType?
  private var ids: [Int64] = []
  private var kernel: (([UnsafeMutableRawPointer]) -> Void)?
  private var operands: [KernelProbe.Operand] = []

  init(clock: CalibrationClock) { self.clock = clock }

  /// Compiles `probe` and makes memory for it.
  func prepare(_ probe: KernelProbe) throws {
    kernel = try probe.compile()
    operands = probe.operands
    if dtype != probe.dtype { (ring, near) = (nil, nil) }
    dtype = probe.dtype
    let window = operands.reduce(0) { $0 + OperandRing.aligned($1.bytes) }
    let (far, near) = (try memory(ring, window), try memory(near, window))
    (ring, self.near) = (far, near)
    var place = near.start
    places = zip(operands, probe.areNear).map { operand, isNear in
      guard isNear else { return nil }
      defer { place += OperandRing.aligned(operand.bytes) }
      return place
    }
    let count = operands.filter { $0.dtype == .int64 }.map(\.count).max() ?? 0
    ids = (0..<count).map { Int64($0 * 7919 % probe.vocabulary) }
  }

  private func memory(
    _ ring: consuming OperandRing?, _ window: Int
  ) throws(CalibrationError) -> OperandRing {
    if let ring, ring.capacity >= window { return ring }
    return try OperandRing(window: window, dtype: dtype ?? .float32, lowest: 0.25)
  }

  /// CPU seconds of `repetitions` runs of what was prepared.
  func seconds(repetitions: Int) -> Double {
    guard let kernel, let ring else { preconditionFailure("a kernel that was not prepared") }
    ring.restore()
    return ids.withUnsafeMutableBytes { ids in
      let start = clock.thread()
      for _ in 0..<repetitions {
        kernel(
          zip(operands, places).map { operand, place in
            if operand.dtype == .int64, let base = ids.baseAddress { return base }
            return place ?? ring.window(bytes: operand.bytes)
          })
      }
      return clock.thread() - start
    }
  }
}
