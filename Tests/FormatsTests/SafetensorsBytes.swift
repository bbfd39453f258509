import Formats
import PlanIR
import Testing

/// Makes the bytes of a safetensors file out of a header's text, right or wrong.
func safetensorsBytes(_ header: String, data: [UInt8] = [], length: UInt64? = nil) -> [UInt8] {
  let stated = length ?? UInt64(header.utf8.count)
  return withUnsafeBytes(of: stated.littleEndian) { Array($0) } + Array(header.utf8) + data
}

extension TensorSource {
  /// All elements of a floating-point tensor.
  func values(_ name: String) throws -> [Double] {
    let count = description(of: name)?.elementCount ?? 0
    return try values(name, 0..<count)
  }

  /// Elements `range` of a floating-point tensor.
  func values(_ name: String, _ range: Range<Int>) throws -> [Double] {
    var values = [Double](repeating: .nan, count: range.count)
    try values.withUnsafeMutableBufferPointer { try read(name, range: range, into: $0) }
    return values
  }

  /// Elements `range` of an int64 tensor.
  func integers(_ name: String, _ range: Range<Int>) throws -> [Int64] {
    var values = [Int64](repeating: -1, count: range.count)
    try values.withUnsafeMutableBufferPointer { try readIntegers(name, range: range, into: $0) }
    return values
  }
}

extension SafetensorsWriter {
  func write(_ elements: [Double]) throws { try elements.withUnsafeBufferPointer { try write($0) } }
  func write(_ elements: [Int64]) throws { try elements.withUnsafeBufferPointer { try write($0) } }
}
