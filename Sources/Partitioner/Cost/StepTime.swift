import PlanIR

/// When a step ends: micro-batches through the stages, then on each stage gradients are reduced, as far as
/// they were not beside the last of these, and parameters updated.
struct StepTime {
  let step: Picoseconds
  /// The stage that ends last; of several the first.
  let last: Int
  /// How much of what it would take if all devices worked all the time a step takes.
  let share: Double
  /// By stage, how much of what reduces gradients once a step goes on beside its last backward pass, and how
  /// much comes after.
  let overlaps: [GradientOverlap]
  /// When each stage does what; nil of one stage.
  let clock: StageClock?

  /// `trace` is that of `order`, where it is known; `contention` is how many devices share one core.
  init(
    _ chain: ChainParts<TimedBlock>, _ map: StageMap, _ order: PipelineOrder,
    contention: Double, trace: StageTrace? = nil
  ) {
    let parts = chain.parts(map)
    let times = parts.map { PassTimes($0) }
    let overlaps = (0..<order.stages).map { stage in
      GradientOverlap(
        (0..<order.chunks).map { parts[$0 * order.stages + stage] },
        isSplit: order.schedule == .zeroBubble)
    }
    self.overlaps = overlaps
    guard order.stages > 1 else {
      let each = times[0].forward + times[0].inputGradient + times[0].weightGradient
      step =
        Self.ends(
          [each * order.microBatches + overlaps[0].exposed], Self.updates(parts, order))[0]
      (last, clock, share) = (0, nil, 1)
      return
    }
    guard let trace = trace ?? StageTrace(order) else {
      preconditionFailure("stages of schedule \(order.schedule.rawValue) wait for each other")
    }
    let clock = StageClock(trace, times: times)
    self.clock = clock
    let updates = Self.updates(parts, order)
    let ends = Self.ends(zip(clock.ends, overlaps).map { $0 + $1.exposed }, updates)
    let makespan = ends.max() ?? .zero
    last = ends.firstIndex(of: makespan) ?? 0
    let worked = (0..<order.stages).reduce(Picoseconds.zero) { sum, stage in
      let passes = (0..<order.chunks).reduce(Picoseconds.zero) {
        $0 + times[$1 * order.stages + stage].all
      }
      let once = overlaps[stage].exposed + updates[stage].before + updates[stage].after
      return sum + passes * order.microBatches + once
    }
    step = Picoseconds(
      SharedCores(contention: contention)
        .step(makespan: makespan.count, mean: worked.count / order.stages))
    share = Double(step.count) / Double(max(1, makespan.count))
  }

  /// When each stage, which has reduced what can be by `starts`, has updated its parameters: the first and the last meet where both hold a table.
  private static func ends(
    _ starts: [Picoseconds], _ updates: [LastStep]
  ) -> [Picoseconds] {
    let arrivals = zip(starts, updates).filter { $1.meets }.map { $0 + $1.before }
    let meeting = arrivals.max() ?? .zero
    return zip(starts, updates).map { start, update in
      (update.meets ? meeting : start + update.before) + update.after
    }
  }

  /// What each stage does once a step.
  private static func updates(
    _ parts: [ChainParts<TimedBlock>.Part], _ order: PipelineOrder
  ) -> [LastStep] {
    (0..<order.stages).map { stage in
      let units = (0..<order.chunks).flatMap { parts[$0 * order.stages + stage].units }
      var step = LastStep()
      for unit in units.reversed() {
        for (_, item) in unit.items.reversed() {
          step.add(item.reduceGradients, layers: unit.layers.count)
        }
      }
      for unit in units {
        for (_, item) in unit.items {
          step.add(item.optimize, layers: unit.layers.count)
        }
      }
      return step
    }
  }

  /// What a stage does once a step, before it meets another and after.
  private struct LastStep {
    var before = Picoseconds.zero
    var after = Picoseconds.zero
    var meets = false

    mutating func add(_ body: TimedBlock.Once, layers: Int) {
      if body.exchanges { meets = true }
      let time = body.time * layers
      if meets { after += time } else { before += time }
    }
  }
}

extension PassTimes {
  /// What a micro-batch takes on a part of the chain.
  init(_ part: ChainParts<TimedBlock>.Part) {
    let arrival = part.arrival?.items.first?.item
    let departure = part.departure?.items.first?.item
    let forward = arrival?.forwardReceived ?? .zero
    let gradient = departure?.inputGradientReceived ?? .zero
    self.init(
      forwardReceive: forward, forward: (arrival?.forward ?? .zero) - forward,
      forwardSend: departure?.forward ?? .zero, gradientReceive: gradient,
      inputGradient: (departure?.inputGradient ?? .zero) - gradient,
      gradientSend: arrival?.inputGradient ?? .zero, weightGradient: .zero)
    for unit in part.units { add(unit) }
  }

  private mutating func add(_ unit: ChainParts<TimedBlock>.Unit) {
    var (each, again) = (PassBound(), Picoseconds.zero)
    for (index, item) in unit.items.enumerated() {
      let block = item.item
      each.forward += block.forms.forward(unit.recompute)
      each.inputGradient += block.inputGradient
      each.weightGradient += block.weightGradient
      again +=
        block.forms.again(unit.recompute, isLast: index == unit.items.count - 1) ?? .zero
    }
    forward += each.forward * unit.layers.count
    inputGradient += (each.inputGradient + again) * unit.layers.count
    weightGradient += each.weightGradient * unit.layers.count
  }
}
