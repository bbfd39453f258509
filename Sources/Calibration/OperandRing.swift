import PlanIR

#if canImport(Glibc)
  import Glibc
#endif

/// Memory that operands of successive runs are cut from, one after the other, from the start again
/// when the end is reached.
///
/// Why not the same buffers each time: a product whose operands all lie in the caches from the run
/// before is faster than any in a training step, where other layers' weights and activations went
/// through the caches in between. A ring larger than most last-level caches gives every run operands
/// that were last touched a ring ago, without the page faults of fresh memory, which a run that
/// reuses its buffers has not got either.
final class OperandRing {
  /// Larger than the last-level cache that a core of most processors can fill.
  static let usualBytes = 64 << 20

  let capacity: Int
  private let base: UnsafeMutableRawPointer
  private var cursor = 0

  /// A ring for windows of up to `window` bytes, filled with numbers of `dtype` in [-1/2, 1/2).
  init(window: Int, dtype: DType) throws(CalibrationError) {
    capacity = max(Self.usualBytes, Self.aligned(window))
    var pointer: UnsafeMutableRawPointer?
    guard posix_memalign(&pointer, Self.alignment, capacity) == 0, let pointer else {
      throw .outOfMemory(bytes: capacity)
    }
    base = pointer
    fill(dtype)
  }

  deinit { free(base) }

  /// The next `bytes` bytes, at most what the ring was made for.
  func window(bytes: Int) -> UnsafeMutableRawPointer {
    precondition(bytes <= capacity, "a window of \(bytes) bytes in a ring of \(capacity)")
    if cursor + bytes > capacity { cursor = 0 }
    defer { cursor += Self.aligned(bytes) }
    return base + cursor
  }

  /// A cache line, and enough for any vector.
  private static let alignment = 64

  private static func aligned(_ bytes: Int) -> Int { (bytes + alignment - 1) & -alignment }

  /// Repeats one random block: a product's time depends on its numbers only where they are
  /// denormal, so drawing every one anew would only take longer than the measurement.
  private func fill(_ dtype: DType) {
    let generator = CounterGenerator(seed: 0, name: "calibration")
    let block = (0..<UInt64(4099)).map { generator.uniform(at: $0) - 0.5 }
    if dtype == .float64 {
      block.withUnsafeBytes { repeatBlock($0) }
    } else {
      block.map { Float($0) }.withUnsafeBytes { repeatBlock($0) }
    }
  }

  private func repeatBlock(_ block: UnsafeRawBufferPointer) {
    guard let source = block.baseAddress else { return }
    for offset in stride(from: 0, to: capacity, by: block.count) {
      (base + offset).copyMemory(from: source, byteCount: min(block.count, capacity - offset))
    }
  }
}
