/// A duration in integer picoseconds.
///
/// Integer sums are associative, so every search order adds up to the same bits. One step may last
/// up to 100 days; sums and products beyond saturate, as rates out of a cluster file may be absurd.
package struct Picoseconds: Hashable, Comparable, Sendable, AdditiveArithmetic {
  /// The count.
  package var count: Int

  /// Makes a duration of `count` picoseconds.
  @inlinable package init(_ count: Int) { self.count = count }

  /// The duration nearest to `seconds`, which must be finite; it saturates at about 100 days.
  package init(seconds: Double) {
    count = Int(min(max((seconds * 1e12).rounded(), -Self.limit), Self.limit))
  }

  /// The duration of `count` picoseconds, which must be a number, rounded down; it saturates, too.
  package init(whole count: Double) {
    self.count = Int(min(max(count.rounded(.down), -Self.limit), Self.limit))
  }

  /// Below what fits into an integer.
  private static let limit = 9.0e18

  /// The duration in seconds.
  package var seconds: Double { Double(count) / 1e12 }

  @inlinable package static var zero: Picoseconds { Picoseconds(0) }
  @inlinable @inline(__always)
  package static func == (left: Picoseconds, right: Picoseconds) -> Bool {
    left.count == right.count
  }
  @inlinable @inline(__always)
  package static func + (left: Picoseconds, right: Picoseconds) -> Picoseconds {
    saturated(left.count.addingReportingOverflow(right.count), isNegative: right.count < 0)
  }
  @inlinable @inline(__always)
  package static func - (left: Picoseconds, right: Picoseconds) -> Picoseconds {
    saturated(left.count.subtractingReportingOverflow(right.count), isNegative: right.count > 0)
  }
  @inlinable @inline(__always)
  package static func * (left: Picoseconds, right: Int) -> Picoseconds {
    saturated(
      left.count.multipliedReportingOverflow(by: right),
      isNegative: (left.count < 0) != (right < 0))
  }
  @inlinable @inline(__always)
  package static func += (left: inout Picoseconds, right: Picoseconds) {
    left = left + right
  }
  @inlinable @inline(__always)
  package static func -= (left: inout Picoseconds, right: Picoseconds) {
    left = left - right
  }
  @inlinable @inline(__always)
  package static func < (left: Picoseconds, right: Picoseconds) -> Bool {
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
