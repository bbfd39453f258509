package import PlanIR

/// The middle and the spread of measured times, neither moved much by a few interrupted runs.
package struct SampleSummary: Hashable, Sendable {
  /// How many runs were timed.
  package let count: Int
  /// The median, in the samples' unit.
  package let median: Double
  /// Half the distance between the first and the third quartile, in the samples' unit.
  package let spread: Double

  /// The summary of `samples`, or nil where there are none that are finite and not negative.
  ///
  /// Quartiles between two samples are interpolated linearly: of 1, 2, 3, 4 the first is 1.75, the
  /// median 2.5, the third 3.25, the spread 0.75.
  package init?(_ samples: [Double]) {
    let sorted = samples.filter { $0.isFinite && $0 >= 0 }.sorted()
    guard !sorted.isEmpty else { return nil }
    count = sorted.count
    median = Self.quantile(0.5, of: sorted)
    spread = (Self.quantile(0.75, of: sorted) - Self.quantile(0.25, of: sorted)) / 2
  }

  private static func quantile(_ fraction: Double, of sorted: [Double]) -> Double {
    let place = fraction * Double(sorted.count - 1)
    let lower = Int(place)
    let upper = min(lower + 1, sorted.count - 1)
    return sorted[lower] + (sorted[upper] - sorted[lower]) * (place - Double(lower))
  }
}

/// When and by what something was measured.
package struct MeasurementOrigin: Hashable, Sendable {
  /// The day, `2026-11-23`.
  package var date: String
  /// The version of tpplan that measures.
  package var version: String

  package init(date: String, version: String) {
    self.date = date
    self.version = version
  }
}

extension Timing {
  /// What this and a `later` measurement of the same amount to, whose samples are not kept: medians by how many
  /// there are, and the spread of both with what lies between them. A later one of something else replaces this.
  ///
  /// Of 10 samples at 4 +- 1 and 10 at 6 +- 1, 20 at 5 +- 2.
  package func joined(with later: Timing) -> Timing {
    guard amount == later.amount else { return later }
    var joined = later
    joined.samples = min(samples + later.samples, Timing.mostSamples)
    let share = Double(later.samples) / Double(max(1, joined.samples))
    func middle(_ value: KeyPath<Timing, Double>) -> Double {
      self[keyPath: value] * (1 - share) + later[keyPath: value] * share
    }
    joined.medianNanoseconds = middle(\.medianNanoseconds)
    joined.spreadNanoseconds =
      middle(\.spreadNanoseconds)
      + abs(medianNanoseconds - later.medianNanoseconds) * min(share, 1 - share)
    return joined
  }

  /// The timing that `seconds`, one number a run, amount to; nil where there are none.
  package init?(seconds: [Double], origin: MeasurementOrigin) {
    guard let summary = SampleSummary(seconds) else { return nil }
    self.init(
      samples: summary.count, medianNanoseconds: summary.median * 1e9,
      spreadNanoseconds: summary.spread * 1e9, date: origin.date, version: origin.version)
  }
}
