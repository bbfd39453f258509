package import PlanIR

/// Where a time comes from.
package enum FigureSource: String, Hashable, Sendable, CaseIterable {
  /// It was measured on this machine for exactly these sizes.
  case measured
  /// It follows from times that were measured for other sizes.
  case interpolated
  /// It follows from the cluster's figures alone.
  case modelled
}

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
