package import PlanIR

/// A time, by where its parts come from.
package struct SourcedTime: Hashable, Sendable {
  private var parts: [FigureSource: Picoseconds] = [:]
  /// By how many seconds each part may be off, all its times the same way; infinite where that is not known of all.
  private var doubts: [FigureSource: Double] = [:]

  /// No time.
  package init() {}

  /// How far the part that comes from `source` may be off, a share of it; nil where that is not known.
  package func uncertainty(of source: FigureSource) -> Double? {
    guard let doubt = doubts[source], doubt.isFinite, self[source] > .zero else { return nil }
    return doubt / self[source].seconds
  }

  /// The part that comes from `source`.
  package subscript(source: FigureSource) -> Picoseconds { parts[source, default: .zero] }

  /// All of it.
  package var total: Picoseconds { FigureSource.allCases.reduce(.zero) { $0 + self[$1] } }

  /// Adds `time` that is told on `basis`.
  package mutating func add(_ time: Picoseconds, _ basis: FigureBasis) {
    guard time > .zero else { return }
    parts[basis.source, default: .zero] += time
    doubts[basis.source, default: 0] += basis.uncertainty.map { $0 * time.seconds } ?? .infinity
  }

  /// Takes out `time` of communication that goes on beside kernels, which is modelled.
  mutating func hide(_ time: Picoseconds) {
    parts[.modelled, default: .zero] -= min(time, self[.modelled])
  }

  /// Adds `other`, `count` times.
  package mutating func add(_ other: SourcedTime, times count: Int) {
    for source in FigureSource.allCases where count > 0 && other[source] > .zero {
      parts[source, default: .zero] += other[source] * count
      doubts[source, default: 0] += other.doubts[source, default: .infinity] * Double(count)
    }
  }
}
