import Calibration
import PlanIR

/// Numbers in the memory of a device, in any type of floats that products take.
enum DeviceFloats {
  /// `values` in `dtype`, on `device`.
  static func buffer(
    _ values: [Float], _ dtype: DType, _ device: CUDADevice
  ) throws -> CUDABuffer {
    let buffer = try CUDABuffer(bytes: values.count * dtype.width, on: device)
    switch dtype {
    case .bfloat16:
      try values.map { UInt16($0.bitPattern >> 16) }.withUnsafeBytes { try buffer.upload($0) }
    case .float16: try values.map { Float16($0) }.withUnsafeBytes { try buffer.upload($0) }
    default: try values.withUnsafeBytes { try buffer.upload($0) }
    }
    return buffer
  }

  /// What `buffer` holds, read as `dtype`.
  static func values(_ buffer: CUDABuffer, _ dtype: DType) throws -> [Float] {
    func read<Element>(_ zero: Element) throws -> [Element] {
      var values = [Element](repeating: zero, count: buffer.bytes / dtype.width)
      try values.withUnsafeMutableBytes { try buffer.download($0) }
      return values
    }
    switch dtype {
    case .bfloat16: return try read(UInt16(0)).map { Float(bitPattern: UInt32($0) << 16) }
    case .float16: return try read(Float16(0)).map { Float($0) }
    default: return try read(Float(0))
    }
  }
}
