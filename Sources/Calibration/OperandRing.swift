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
///
/// Measured on an EPYC core (1 MiB of L2, 32 MiB of L3), float32 cubes in GFLOP/s, ring
/// against the same buffers: extent 64, 70 against 107; 256, 82 against 102; 1024, 92 against 92.
final class OperandRing {
  /// Larger than the last-level cache that a core of most processors can fill.
  static let usualBytes = 64 << 20

  let capacity: Int
  private let base: UnsafeMutableRawPointer
  private var cursor = 0
  /// Numbers are in [lowest, lowest + width).
  private let lowest, width: Double
  private let dtype: DType
  /// Where the windows begin that were taken since the last filling, and how many bytes they took.
  private var first = 0
  private var taken = 0

  /// A ring for windows of up to `window` bytes, filled with numbers of `dtype` in [-1/2, 1/2), or, from
  /// `lowest` on, as far to the other side of a half.
  init(window: Int, dtype: DType, lowest: Double = -0.5) throws(CalibrationError) {
    (self.lowest, width, self.dtype) = (lowest, lowest < 0 ? 1 : 1 - 2 * lowest, dtype)
    capacity = max(Self.usualBytes, Self.aligned(window))
    var pointer: UnsafeMutableRawPointer?
    guard posix_memalign(&pointer, Self.alignment, capacity) == 0, let pointer else {
      throw .outOfMemory(bytes: capacity)
    }
    base = pointer
    fill(0..<capacity)
  }

  deinit { free(base) }

  /// Where it begins, for what stays in the caches from run to run.
  var start: UnsafeMutableRawPointer { base }

  /// The next `bytes` bytes, at most what the ring was made for.
  func window(bytes: Int) -> UnsafeMutableRawPointer {
    precondition(bytes <= capacity, "a window of \(bytes) bytes in a ring of \(capacity)")
    if cursor + bytes > capacity {
      taken += capacity - cursor
      cursor = 0
    }
    defer {
      cursor += Self.aligned(bytes)
      taken += Self.aligned(bytes)
    }
    return base + cursor
  }

  /// Writes what windows held that were taken since the last filling.
  func restore() {
    let end = min(first + taken, capacity)
    fill(taken >= capacity ? 0..<capacity : first..<end)
    if taken < capacity, first + taken > capacity { fill(0..<first + taken - capacity) }
    (first, taken) = (cursor >= capacity ? 0 : cursor, 0)
  }

  /// A cache line, and enough for any vector.
  private static let alignment = 64

  static func aligned(_ bytes: Int) -> Int { (bytes + alignment - 1) & -alignment }

  /// Repeats one random block: a product's time depends on its numbers only where they are
  /// denormal, so drawing every one anew would only take longer than the measurement.
  private func fill(_ range: Range<Int>) {
    let generator = CounterGenerator(seed: 0, name: "calibration")
    let block = (0..<UInt64(4099)).map { lowest + width * generator.uniform(at: $0) }
    if dtype == .float64 {
      block.withUnsafeBytes { repeatBlock($0, range) }
    } else {
      block.map { Float($0) }.withUnsafeBytes { repeatBlock($0, range) }
    }
  }

  private func repeatBlock(_ block: UnsafeRawBufferPointer, _ range: Range<Int>) {
    guard let source = block.baseAddress else { return }
    for offset in stride(from: range.lowerBound, to: range.upperBound, by: block.count) {
      (base + offset).copyMemory(
        from: source, byteCount: min(block.count, range.upperBound - offset))
    }
  }
}
