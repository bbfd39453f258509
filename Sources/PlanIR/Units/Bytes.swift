/// A number of bytes. Sums are exact integers, so their order never matters.
@frozen public struct Bytes: Hashable, Comparable, Sendable, AdditiveArithmetic, Codable {
  /// The count.
  public var count: Int

  /// Makes a quantity of `count` bytes.
  @inlinable public init(_ count: Int) { self.count = count }

  /// No bytes.
  @inlinable public static var zero: Bytes { Bytes(0) }
  /// Their sum.
  @inlinable public static func + (left: Bytes, right: Bytes) -> Bytes {
    Bytes(left.count + right.count)
  }
  /// What the left has more.
  @inlinable public static func - (left: Bytes, right: Bytes) -> Bytes {
    Bytes(left.count - right.count)
  }
  /// Adds as many.
  @inlinable public static func += (left: inout Bytes, right: Bytes) { left = left + right }
  /// Takes as many away.
  @inlinable public static func -= (left: inout Bytes, right: Bytes) { left = left - right }
  /// As many times as much.
  @inlinable public static func * (left: Bytes, right: Int) -> Bytes { Bytes(left.count * right) }
  /// Whether the left is fewer.
  @inlinable public static func < (left: Bytes, right: Bytes) -> Bool { left.count < right.count }
  /// Whether both are as many.
  @inlinable public static func == (left: Bytes, right: Bytes) -> Bool { left.count == right.count }

  /// Reads the count, a whole number.
  public init(from decoder: any Decoder) throws {
    count = try decoder.singleValueContainer().decode(Int.self)
  }

  /// Writes the count.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(count)
  }
}
