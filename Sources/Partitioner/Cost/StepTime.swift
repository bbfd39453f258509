import PlanIR

/// When a step ends: micro-batches through the stages, then on each stage gradients are reduced, as far as
/// they were not beside the last of these, and parameters updated.
struct StepTime {
  let step: Picoseconds
  /// The stage that ends last; of several the first.
  let last: Int
  /// By stage, how much of what reduces gradients once a step goes on beside its last backward pass, and how
  /// much comes after.
  let overlaps: [GradientOverlap]
  /// When each stage does what; nil of one stage.
  let clock: StageClock?
  /// From when to when each stage works, where devices share cores; nil of one stage, and where they do not.
  let busy: BusyTimes?
  private let cores: SharedCores

  /// `trace` is that of `order`, where it is known; `contention` is how many devices share one core.
  init(
    _ chain: ChainParts<TimedBlock>, _ map: StageMap, _ order: PipelineOrder,
    contention: Double, trace: StageTrace? = nil
  ) {
    let parts = chain.parts(map)
    let isSplit = order.schedule == .zeroBubble
    let times = parts.map { PassTimes($0, isSplit: isSplit) }
    let overlaps = (0..<order.stages).map { stage in
      GradientOverlap(
        (0..<order.chunks).map { parts[$0 * order.stages + stage] },
        isSplit: isSplit)
    }
    self.overlaps = overlaps
    cores = SharedCores(contention: contention)
    guard order.stages > 1 else {
      let each = times[0].forward + times[0].inputGradient + times[0].weightGradient
      step =
        Self.ends(
          [each * order.microBatches + overlaps[0].exposed], Self.updates(parts, order))[0]
      (last, clock, busy) = (0, nil, nil)
      return
    }
    guard let trace = trace ?? StageTrace(order) else {
      preconditionFailure("stages of schedule \(order.schedule.rawValue) wait for each other")
    }
    let clock = StageClock(trace, times: times)
    self.clock = clock
    let updates = Self.updates(parts, order)
    let starts = zip(clock.ends, overlaps).map { $0 + $1.exposed }
    let ends = Self.ends(starts, updates)
    let makespan = ends.max() ?? .zero
    last = ends.firstIndex(of: makespan) ?? 0
    guard contention > 1 else {
      (step, busy) = (makespan, nil)
      return
    }
    var busy = clock.busy
    for (stage, update) in updates.enumerated() {
      busy.add(stage, from: clock.ends[stage], to: starts[stage] + update.before)
      busy.add(stage, from: ends[stage] - update.after, to: ends[stage])
    }
    self.busy = busy
    step = Picoseconds(cores.step(busy))
  }

  /// When on shared cores is what is at a time on ``clock``; nil of one stage, and where devices share none.
  var timeline: SharedTimeline? { busy.map { SharedTimeline($0, cores) } }

  /// How long `stage` works on shared cores; nil where ``timeline`` is.
  func worked(_ stage: Int) -> Picoseconds? {
    guard let busy, let timeline else { return nil }
    return busy.spans[stage].reduce(.zero) {
      $0 + timeline(Picoseconds($1.upperBound)) - timeline(Picoseconds($1.lowerBound))
    }
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
  /// What a micro-batch takes on a part of the chain, of backward passes that are split, or not.
  init(_ part: ChainParts<TimedBlock>.Part, isSplit: Bool) {
    let arrival = part.arrival?.items.first?.item
    let departure = part.departure?.items.first?.item
    let forward = arrival?.forwardReceived ?? .zero
    let gradient = departure?.inputGradientReceived ?? .zero
    self.init(
      forwardReceive: forward, forward: (arrival?.forward ?? .zero) - forward,
      forwardSend: departure?.forward ?? .zero, gradientReceive: gradient,
      inputGradient: (departure?.inputGradient ?? .zero) - gradient,
      gradientSend: arrival?.inputGradient ?? .zero, weightGradient: .zero)
    for unit in part.units { add(unit, isSplit: isSplit) }
  }

  private mutating func add(_ unit: ChainParts<TimedBlock>.Unit, isSplit: Bool) {
    var (each, again) = (PassBound(), Picoseconds.zero)
    for (index, item) in unit.items.enumerated() {
      let block = item.item
      each.forward += block.forms.forward(unit.recompute)
      each.inputGradient += block.inputGradient
      each.weightGradient += block.weightGradient(isSplit: isSplit)
      again +=
        block.forms.again(unit.recompute, isLast: index == unit.items.count - 1) ?? .zero
    }
    forward += each.forward * unit.layers.count
    inputGradient += (each.inputGradient + again) * unit.layers.count
    weightGradient += each.weightGradient * unit.layers.count
  }
}
