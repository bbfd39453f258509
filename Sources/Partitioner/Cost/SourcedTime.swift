package import PlanIR

/// A time, by where its parts come from.
package struct SourcedTime: Hashable, Sendable {
  private var parts: [FigureSource: Picoseconds] = [:]

  /// No time.
  package init() {}

  /// The part that comes from `source`.
  package subscript(source: FigureSource) -> Picoseconds { parts[source, default: .zero] }

  /// All of it.
  package var total: Picoseconds { FigureSource.allCases.reduce(.zero) { $0 + self[$1] } }

  /// Adds `time` from `source`.
  package mutating func add(_ time: Picoseconds, _ source: FigureSource) {
    parts[source, default: .zero] += time
  }

  /// Adds `other`, `count` times.
  package mutating func add(_ other: SourcedTime, times count: Int) {
    for source in FigureSource.allCases { add(other[source] * count, source) }
  }
}
