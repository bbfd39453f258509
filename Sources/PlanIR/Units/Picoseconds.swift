/// A duration in integer picoseconds.
///
/// Integer sums are associative, so every search order adds up to the same bits. One step may last
/// up to 100 days; sums and products beyond saturate, as rates out of a cluster file may be absurd.
@frozen public struct Picoseconds: Hashable, Comparable, Sendable, AdditiveArithmetic {
  /// The count.
  public var count: Int

  /// Makes a duration of `count` picoseconds.
  @inlinable public init(_ count: Int) { self.count = count }

  /// The duration nearest to `seconds`, which must be finite; it saturates at about 100 days.
  @inlinable public init(seconds: Double) {
    let exact = min(max(seconds * 1e12, -Self.limit), Self.limit)
    let whole = Int(exact)
    // What is left is exact, and halves go away from zero, as rounding has them.
    let rest = exact - Double(whole)
    count = rest >= 0.5 ? whole + 1 : rest <= -0.5 ? whole - 1 : whole
  }

  /// The duration of `count` picoseconds, which must be a number, rounded down; it saturates, too.
  public init(whole count: Double) {
    self.count = Int(min(max(count.rounded(.down), -Self.limit), Self.limit))
  }

  /// Below what fits into an integer.
  @usableFromInline static let limit = 9.0e18

  /// The duration in seconds.
  public var seconds: Double { Double(count) / 1e12 }

  /// No time.
  @inlinable public static var zero: Picoseconds { Picoseconds(0) }
  /// Whether both are as long.
  @inlinable @inline(__always)
  public static func == (left: Picoseconds, right: Picoseconds) -> Bool {
    left.count == right.count
  }
  /// Their sum; it saturates.
  @inlinable @inline(__always)
  public static func + (left: Picoseconds, right: Picoseconds) -> Picoseconds {
    saturated(left.count.addingReportingOverflow(right.count), isNegative: right.count < 0)
  }
  /// What the left takes more; it saturates.
  @inlinable @inline(__always)
  public static func - (left: Picoseconds, right: Picoseconds) -> Picoseconds {
    saturated(left.count.subtractingReportingOverflow(right.count), isNegative: right.count > 0)
  }
  /// As many times as long; it saturates.
  @inlinable @inline(__always)
  public static func * (left: Picoseconds, right: Int) -> Picoseconds {
    saturated(
      left.count.multipliedReportingOverflow(by: right),
      isNegative: (left.count < 0) != (right < 0))
  }
  /// Adds a duration.
  @inlinable @inline(__always)
  public static func += (left: inout Picoseconds, right: Picoseconds) {
    left = left + right
  }
  /// Takes a duration away.
  @inlinable @inline(__always)
  public static func -= (left: inout Picoseconds, right: Picoseconds) {
    left = left - right
  }
  /// Whether the left is shorter.
  @inlinable @inline(__always)
  public static func < (left: Picoseconds, right: Picoseconds) -> Bool {
    left.count < right.count
  }

  @inlinable @inline(__always)
  static func saturated(
    _ sum: (partialValue: Int, overflow: Bool), isNegative: Bool
  ) -> Picoseconds {
    guard sum.overflow else { return Picoseconds(sum.partialValue) }
    return Picoseconds(isNegative ? -Int.max : Int.max)
  }
}
