import PlanIR

/// Measured times of collectives among threads, and what they say of other groups and sizes.
package struct CollectiveTimes: Hashable, Sendable {
  private var patterns: [CollectiveUse.Pattern: MeasuredTimes] = [:]
  /// The groups that were measured of each pattern.
  private var sizes: [CollectiveUse.Pattern: Set<Int>] = [:]

  /// Nothing measured.
  package init() {}

  /// Whether nothing was measured.
  package var isEmpty: Bool { patterns.isEmpty }

  /// Notes that it takes `seconds` among `devices` on `elements`, in place of what was noted before.
  package mutating func record(
    _ pattern: CollectiveUse.Pattern, devices: Int, elements: Int, seconds: Double
  ) {
    patterns[pattern, default: MeasuredTimes()].record(
      Self.place(devices, elements), seconds: seconds,
      reference: ReferenceTimes.collective(devices: devices, elements: elements), replaces: true)
    sizes[pattern, default: []].insert(devices)
  }

  /// Whether `pattern` was measured among `devices`.
  package func has(_ pattern: CollectiveUse.Pattern, devices: Int) -> Bool {
    let (own, devices) = Self.measured(pattern, devices)
    return sizes[own, default: []].contains(devices)
  }

  /// The time among `devices`, each with a core to itself; nil where the pattern was not measured.
  package func figure(
    _ pattern: CollectiveUse.Pattern, devices: Int, elements: Int
  ) -> MeasuredFigure? {
    let (own, devices) = Self.measured(pattern, devices)
    var figure = patterns[own]?.figure(
      at: Self.place(devices, elements),
      reference: ReferenceTimes.collective(devices: devices, elements: elements))
    if pattern == .send { figure?.source = .interpolated }
    return figure
  }

  /// Where that time comes from; nil where the pattern was not measured.
  func basis(
    _ pattern: CollectiveUse.Pattern, devices: Int, elements: Int
  ) -> FigureBasis? {
    guard let figure = figure(pattern, devices: devices, elements: elements) else { return nil }
    let (own, devices) = Self.measured(pattern, devices)
    return patterns[own]?.basis(of: figure, at: Self.place(devices, elements))
  }

  /// What stands for a pattern that is not measured by itself: what two exchange is an all-reduce of
  /// two; what one sends is copied by the other as what two shift round is by both.
  static func measured(
    _ pattern: CollectiveUse.Pattern, _ devices: Int
  ) -> (pattern: CollectiveUse.Pattern, devices: Int) {
    switch pattern {
    case .exchange: (.allReduce, 2)
    case .send: (.permute, 2)
    case .allGather, .reduceScatter, .allReduce, .broadcast, .reduce, .allToAll, .permute,
      .bucketedAllGather, .bucketedReduceScatter, .bucketedAllReduce:
      (pattern.plain, devices)
    }
  }

  private static func place(_ devices: Int, _ elements: Int) -> SIMD4<Double> {
    MeasuredTimes.place(devices, elements)
  }
}
