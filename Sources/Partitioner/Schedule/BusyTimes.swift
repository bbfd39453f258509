package import PlanIR

/// From when to when each stage works, as if all devices worked all the time.
package struct BusyTimes: Hashable, Sendable {
  /// By stage, in picoseconds: in order, each with a wait before it.
  private(set) var spans: [[Range<Int>]]

  /// Of `stages` that have not begun.
  package init(stages: Int) { spans = Array(repeating: [], count: stages) }

  /// Notes that `stage` works from `start`, no earlier than what was noted of it, to `end`.
  package mutating func add(_ stage: Int, from start: Picoseconds, to end: Picoseconds) {
    guard start < end else { return }
    if let last = spans[stage].last, last.upperBound == start.count {
      spans[stage][spans[stage].count - 1] = last.lowerBound..<end.count
    } else {
      spans[stage].append(start.count..<end.count)
    }
  }

  /// When the last stage has done its work.
  package var makespan: Int { spans.map { $0.last?.upperBound ?? 0 }.max() ?? 0 }

  /// How long a stage works on average.
  package var mean: Int {
    let all = spans.joined().reduce(Picoseconds.zero) { $0 + Picoseconds($1.count) }
    return all.count / max(1, spans.count)
  }

  /// Calls `body` with each stretch of time through which as many stages work, from the beginning to
  /// the makespan.
  func forEachStretch(_ body: (_ stretch: Range<Int>, _ working: Int) -> Void) {
    // Each stage's times are in order: a sort that merges runs takes little.
    let starts = spans.joined().map(\.lowerBound).sorted()
    let ends = spans.joined().map(\.upperBound).sorted()
    var (now, started) = (0, 0)
    for (ended, end) in ends.enumerated() {
      while started < starts.count, starts[started] < end {
        if starts[started] > now {
          body(now..<starts[started], started - ended)
          now = starts[started]
        }
        started += 1
      }
      if end > now {
        body(now..<end, started - ended)
        now = end
      }
    }
  }
}
