import PlanIR

/// Measures one task after the other on a bench until a budget is used up, storing each at once.
struct CalibrationLoop<Bench: TaskBench> {
  /// The machine; part of every key.
  let fingerprint: String
  let origin: MeasurementOrigin
  let policy: SamplingPolicy
  /// The most bytes that one task's operands may take.
  let memoryLimit: Int
  let clock: CalibrationClock

  /// Measures `tasks` in their order until the wall clock reads `end`.
  ///
  /// - Parameters:
  ///   - tasks: What to measure; repetitions count once.
  ///   - end: When the wall clock's time is over.
  ///   - skip: Keys that are not measured again.
  ///   - bench: What runs them.
  ///   - sink: Where each finished timing goes before the next one starts.
  ///   - progress: Told of each as soon as it is stored.
  /// - Returns: What was measured and what was not.
  /// - Throws: What `bench`, `sink` and `progress` throw.
  func run(
    _ tasks: [Bench.Task], until end: Double, skip: Set<TimingKey>, on bench: Bench,
    into sink: any TimingSink, progress: (CalibrationProgress) throws -> Void
  ) throws -> CalibrationOutcome {
    var outcome = CalibrationOutcome()
    let pending = pending(tasks, skip: skip, &outcome)
    for (task, key) in pending {
      let remaining = end - clock.wall()
      guard remaining > 0, try bench.expectedSeconds(of: task) <= remaining else {
        outcome.left.append(key)
        continue
      }
      let timing = try timing(of: task, on: bench, end: end)
      bench.note(task, timing)
      try sink.record([(key: key, timing: timing)])
      outcome.measured.append((key: key, timing: timing))
      try progress(
        CalibrationProgress(
          key: key, timing: timing, done: outcome.measured.count, total: pending.count))
    }
    return outcome
  }

  /// What is to be measured of `tasks`; notes in `outcome` what is not.
  private func pending(
    _ tasks: [Bench.Task], skip: Set<TimingKey>, _ outcome: inout CalibrationOutcome
  ) -> [(task: Bench.Task, key: TimingKey)] {
    var seen: Set<TimingKey> = []
    var pending: [(task: Bench.Task, key: TimingKey)] = []
    for task in tasks {
      let key = task.key(fingerprint: fingerprint)
      guard seen.insert(key).inserted else { continue }
      if skip.contains(key) {
        outcome.skipped += 1
      } else if task.bytes > Double(memoryLimit) {
        outcome.tooLarge.append(key)
      } else {
        pending.append((task, key))
      }
    }
    return pending
  }

  /// Samples `task` until the policy is content or the wall clock reaches `end`.
  func timing(of task: Bench.Task, on bench: Bench, end: Double) throws -> Timing {
    try bench.prepare(task)
    let last = min(end, clock.wall() + policy.limitSeconds)
    var policy = policy
    policy.maximumSamples = min(policy.maximumSamples, task.maximumSamples)
    let samples = try policy.samples(until: { clock.wall() >= last }) { repetitions in
      try bench.seconds(of: task, repetitions: repetitions)
    }
    guard var timing = Timing(seconds: samples, origin: origin) else {
      preconditionFailure("a clock that runs backwards")
    }
    timing.amount = task.amount
    return timing
  }
}
