/// A number of bytes. Sums are exact integers, so their order never matters.
package struct Bytes: Hashable, Comparable, Sendable, AdditiveArithmetic, Codable {
  /// The count.
  package var count: Int

  /// Makes a quantity of `count` bytes.
  @inlinable package init(_ count: Int) { self.count = count }

  @inlinable package static var zero: Bytes { Bytes(0) }
  @inlinable package static func + (left: Bytes, right: Bytes) -> Bytes {
    Bytes(left.count + right.count)
  }
  @inlinable package static func - (left: Bytes, right: Bytes) -> Bytes {
    Bytes(left.count - right.count)
  }
  @inlinable package static func += (left: inout Bytes, right: Bytes) { left = left + right }
  @inlinable package static func -= (left: inout Bytes, right: Bytes) { left = left - right }
  @inlinable package static func * (left: Bytes, right: Int) -> Bytes { Bytes(left.count * right) }
  @inlinable package static func < (left: Bytes, right: Bytes) -> Bool { left.count < right.count }

  package init(from decoder: any Decoder) throws {
    count = try decoder.singleValueContainer().decode(Int.self)
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(count)
  }
}
