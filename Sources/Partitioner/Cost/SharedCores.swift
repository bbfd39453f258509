import PlanIR

/// Stages whose devices are threads that share cores.
///
/// Times are stretched as if all threads worked all the time. While a stage waits the others have its cores, so a
/// step takes what all have to do, over the cores, or what it would take if each had one (derived: no schedule of
/// threads on cores is shorter; with as many threads a stage as cores none that leaves no core idle is longer). With
/// fewer threads a stage than cores it may take longer than that.
struct SharedCores {
  /// How many threads share one core.
  let contention: Double

  /// A step that would end at `makespan` if all worked all the time, where stages work for `mean` of it on
  /// average.
  func step(makespan: Int, mean: Int) -> Int {
    guard contention > 1 else { return makespan }
    return max(mean, alone(makespan))
  }

  /// What takes `time` where all work, each thread having a core.
  func alone(_ time: Int) -> Int {
    contention > 1 ? Int((Double(time) / contention * (1 - 1e-12)).rounded(.down)) : time
  }
}
