package import PlanIR

/// When on shared cores is what would be at a time if all devices worked all the time.
package struct SharedTimeline: Sendable {
  /// Where the number of stages that work changes, in picoseconds: as if all worked, and on shared cores.
  private var marks: [(time: Int, shared: Double)] = [(0, 0)]
  /// When the last stage has done its work.
  package let end: Picoseconds

  /// Of stages that are busy as `busy` says if all work all the time.
  package init(_ busy: BusyTimes, _ cores: SharedCores) {
    end = Picoseconds(cores.step(busy))
    var marks = marks
    busy.forEachStretch { stretch, working in
      let share = cores.share(working: working, of: busy.spans.count)
      let before = marks[marks.count - 1].shared
      marks.append((stretch.upperBound, before + Double(stretch.count) * share))
    }
    self.marks = marks
  }

  /// When on shared cores it is `time` on the clock of stretched times; a time past the end is the end.
  package func callAsFunction(_ time: Picoseconds) -> Picoseconds {
    let place = (0..<marks.count - 1).first(toMeet: { marks[$0].time >= time.count })
    let (next, last) = (marks[place], marks[max(0, place - 1)])
    guard next.time > last.time, time.count < next.time else {
      return min(end, Picoseconds(whole: next.shared))
    }
    let rate = (next.shared - last.shared) / Double(next.time - last.time)
    let shared = last.shared + Double(time.count - last.time) * rate
    return min(end, Picoseconds(whole: shared))
  }
}
