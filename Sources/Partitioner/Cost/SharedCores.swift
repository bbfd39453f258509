/// Stages whose devices are threads that share cores.
///
/// Times are stretched as if all threads worked all the time: `contention` of them share a core. While a
/// stage waits the others have its cores, so of S stages of which a work each goes on as fast as S/a of
/// its stretched times have it, and no faster than with a core for each thread:
///
///     rate = min(S/a, contention)
///
/// All that work go on at one rate. So what stages do comes in the order, and with the waits, that it has
/// on the clock of stretched times, of which each instant lasts `max(a/S, 1/contention)`: a step is that,
/// added up over the clock (derived). It is no less than either:
///
/// - a/S added up is what stages do on average (``BusyTimes/mean``), and
/// - 1/contention added up is the clock's end with a core for each thread (``alone(_:)``).
///
/// Where a/S is at least 1/contention throughout, no core is ever idle, and a step is the former. That is so
/// where a stage has as many threads as there are cores; with fewer threads a stage cores idle while pipelines
/// fill and drain.
///
/// Of four stages of a thread each on two cores an instant of stretched times lasts half as long while one of
/// them works, as it has a core and the other core idles; half as long while two do, three quarters while three do.
package struct SharedCores: Sendable {
  /// How many threads share one core.
  let contention: Double

  /// Of threads of which `contention` share one core.
  package init(contention: Double) { self.contention = contention }

  /// The least that a step takes which would end at `makespan` if all worked all the time, where stages work
  /// for `mean` of it on average.
  package func least(makespan: Int, mean: Int) -> Int {
    guard contention > 1 else { return makespan }
    return max(mean, alone(makespan))
  }

  /// What takes `time` where all work, each thread having a core.
  func alone(_ time: Int) -> Int {
    contention > 1 ? Int((Double(time) / contention * (1 - 1e-12)).rounded(.down)) : time
  }

  /// A step in which stages are busy as `busy` says if all work all the time.
  package func step(_ busy: BusyTimes) -> Int {
    guard contention > 1 else { return busy.makespan }
    let least = least(makespan: busy.makespan, mean: busy.mean)
    return max(least, min(busy.mean, Self.longest) + Int(min(idle(busy), Double(Self.longest))))
  }

  /// Half of what there is room for, so that two add up.
  private static let longest = Int.max / 2

  /// How much longer a step is than what stages do on average, as cores idle; in picoseconds.
  private func idle(_ busy: BusyTimes) -> Double {
    let stages = Double(busy.spans.count)
    // As many threads a stage as cores.
    guard contention < stages else { return 0 }
    var idle = 0.0
    busy.forEachStretch { stretch, working in
      let share = 1 / contention - Double(working) / stages
      if share > 0 { idle += Double(stretch.count) * share }
    }
    return idle
  }

  /// How long an instant lasts, of `stages` of which so many work.
  func share(working: Int, of stages: Int) -> Double {
    contention > 1 ? max(Double(working) / Double(stages), 1 / contention) : 1
  }
}
