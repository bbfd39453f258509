import PlanIR

/// Measures one task after the other on a bench until a budget is used up, storing each at once, then all of
/// them again, as often as the budget and the policy allow.
struct CalibrationLoop<Bench: TaskBench> {
  /// The machine; part of every key.
  let machine: Bench.Task.Machine
  let origin: MeasurementOrigin
  let policy: SamplingPolicy
  /// The most bytes that one task's operands may take.
  let memoryLimit: Int
  let clock: CalibrationClock

  /// What was measured of a task in all passes.
  private struct Measured {
    let task: Bench.Task
    let key: TimingKey
    /// Seconds of one run each.
    var samples: [Double] = []
    /// Runs that make a sample.
    var repetitions: Int?
  }

  /// Measures `tasks` in their order until the wall clock reads `end`.
  ///
  /// - Parameters:
  ///   - tasks: What to measure; repetitions count once.
  ///   - end: When the wall clock's time is over.
  ///   - known: What is known already.
  ///   - again: Whether what is known is measured, too, and samples are added to it.
  ///   - bench: What runs them.
  ///   - sink: Where each finished timing goes before the next one starts.
  ///   - progress: Told of each as soon as it is stored.
  /// - Returns: What was measured and what was not.
  /// - Throws: What `bench`, `sink` and `progress` throw.
  func run(
    _ tasks: [Bench.Task], until end: Double, known: [TimingKey: Timing], again: Bool,
    on bench: Bench, into sink: any TimingSink, progress: (CalibrationProgress) throws -> Void
  ) throws -> CalibrationOutcome {
    var outcome = CalibrationOutcome()
    let pending = pending(tasks, skip: again ? [] : Set(known.keys), &outcome)
    var measured: [Measured] = []
    func fits(_ task: Bench.Task) throws -> Bool {
      let remaining = end - clock.wall()
      return try remaining > 0 && bench.expectedSeconds(of: task) <= remaining
    }
    func sample(_ one: inout Measured) throws -> Timing {
      let found = try samples(of: one.task, one.repetitions, on: bench, end: end)
      one.samples += found.samples
      one.repetitions = found.repetitions
      let timing = timing(of: one.task, one.samples)
      bench.note(one.task, timing)
      let joined = known[one.key].map { join($0, timing, one.task) } ?? timing
      try sink.record([(key: one.key, timing: joined)])
      return joined
    }
    for (task, key) in pending {
      guard try fits(task) else {
        outcome.left.append(key)
        continue
      }
      var one = Measured(task: task, key: key)
      let timing = try sample(&one)
      measured.append(one)
      outcome.measured.append((key: key, timing: timing))
      try progress(
        CalibrationProgress(
          key: key, timing: timing, pass: 1, done: measured.count, total: pending.count))
    }
    for pass in stride(from: 2, through: policy.passes, by: 1) {
      for place in measured.indices where try fits(measured[place].task) {
        let timing = try sample(&measured[place])
        outcome.measured[place].timing = timing
        try progress(
          CalibrationProgress(
            key: measured[place].key, timing: timing, pass: pass, done: place + 1,
            total: measured.count))
      }
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
      let key = task.key(on: machine)
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
    timing(of: task, try samples(of: task, nil, on: bench, end: end).samples)
  }

  /// Seconds of one run of `task`, a number a sample, of which so many runs make one.
  private func samples(
    of task: Bench.Task, _ repetitions: Int?, on bench: Bench, end: Double
  ) throws -> (samples: [Double], repetitions: Int) {
    try bench.prepare(task)
    let last = min(end, clock.wall() + max(policy.limitSeconds, task.leastLimitSeconds))
    var policy = policy
    policy.maximumSamples = min(policy.maximumSamples, task.maximumSamples)
    return try policy.samples(of: repetitions, until: { clock.wall() >= last }) { repetitions in
      try bench.seconds(of: task, repetitions: repetitions)
    }
  }

  /// What was known and what was measured now amount to.
  private func join(_ known: Timing, _ timing: Timing, _ task: Bench.Task) -> Timing {
    guard task.countsLeast else { return known.joined(with: timing) }
    return known.medianNanoseconds < timing.medianNanoseconds ? known : timing
  }

  private func timing(of task: Bench.Task, _ samples: [Double]) -> Timing {
    let counted = task.countsLeast ? samples.min().map { [$0] } ?? samples : samples
    guard var timing = Timing(seconds: counted, origin: origin) else {
      preconditionFailure("a clock that runs backwards")
    }
    timing.amount = task.amount
    return timing
  }
}
