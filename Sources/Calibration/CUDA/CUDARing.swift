import PlanIR

/// Memory of the device that operands of successive runs are cut from, as ``OperandRing`` is of the host:
/// no run finds the operands of the run before in the second-level cache.
///
/// Filled with 16-bit floats, or 32-bit ones. A ring of bfloat16 numbers can be read as float32, too: the
/// upper half of each decides, and is an ordinary number of the same range.
final class CUDARing {
  private let buffer: CUDABuffer
  private var cursor = 0

  var capacity: Int { buffer.bytes }

  /// A ring for windows of up to `window` bytes, at least twice the cache, of numbers of `dtype` in
  /// [-1/2, 1/2), or, from `lowest` on, as far to the other side of a half.
  init(
    window: Int, dtype: DType, lowest: Double = -0.5, on device: CUDADevice
  ) throws(CUDAError) {
    let cache = try device.value(of: .secondLevelCache)
    buffer = try CUDABuffer(
      bytes: max(Self.leastBytes, 2 * Self.aligned(cache), Self.aligned(window)), on: device)
    try buffer.fill(dtype, lowest: lowest)
  }

  /// The address of the next `bytes` bytes, at most what the ring was made for.
  func window(bytes: Int) -> UInt64 {
    precondition(bytes <= capacity, "a window of \(bytes) bytes in a ring of \(capacity)")
    if cursor + bytes > capacity { cursor = 0 }
    defer { cursor += Self.aligned(bytes) }
    return buffer.address + UInt64(cursor)
  }

  private static let leastBytes = 64 << 20
  /// What the driver aligns its own memory to.
  private static let alignment = 256

  static func aligned(_ bytes: Int) -> Int { (bytes + alignment - 1) & -alignment }
}

extension CUDABuffer {
  /// Repeats a random block. The power that a product draws, and so its clock, depends on its numbers:
  /// zeros would be too fast.
  fileprivate func fill(_ dtype: DType, lowest: Double) throws(CUDAError) {
    let generator = CounterGenerator(seed: 0, name: "calibration")
    let width = lowest < 0 ? 1 : 1 - 2 * lowest
    let block = (0..<UInt64(65521)).map { Float(lowest + width * generator.uniform(at: $0)) }
    switch dtype {
    case .bfloat16: try fill(block.map { UInt16(truncatingIfNeeded: $0.bitPattern >> 16) })
    case .float16: try fill(block.map(Self.half))
    default: try fill(block)
    }
  }

  private func fill<Element>(_ block: [Element]) throws(CUDAError) {
    let result = block.withUnsafeBytes { bytes -> Result<Void, CUDAError> in
      Result { () throws(CUDAError) in try fill(repeating: bytes) }
    }
    try result.get()
  }

  /// `value`, less than 1, as the bits of a float16, cut off. What is below its least normal number is zero.
  private static func half(_ value: Float) -> UInt16 {
    let sign = UInt16(truncatingIfNeeded: value.bitPattern >> 16) & 0x8000
    let magnitude = value.bitPattern & 0x7fff_ffff
    let least: UInt32 = 113 << 23
    guard magnitude >= least else { return sign }
    return sign | UInt16(truncatingIfNeeded: (magnitude - (112 << 23)) >> 13)
  }
}
