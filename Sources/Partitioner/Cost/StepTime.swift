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

  /// `trace` is that of `order`, where it is known.
  init(
    _ chain: ChainParts<TimedBlock>, _ map: StageMap, _ order: PipelineOrder,
    trace: StageTrace? = nil
  ) {
    let parts = chain.parts(map)
    let times = parts.map { PassTimes($0) }
    overlaps = (0..<order.stages).map { stage in
      GradientOverlap(
        (0..<order.chunks).map { parts[$0 * order.stages + stage] },
        isSplit: order.schedule == .zeroBubble)
    }
    guard order.stages > 1 else {
      let each = times[0].forward + times[0].inputGradient + times[0].weightGradient
      step = Self.ends([each * order.microBatches + overlaps[0].exposed], parts, order)[0]
      (last, clock) = (0, nil)
      return
    }
    guard let trace = trace ?? StageTrace(order) else {
      preconditionFailure("stages of schedule \(order.schedule.rawValue) wait for each other")
    }
    let clock = StageClock(trace, times: times)
    self.clock = clock
    let ends = Self.ends(zip(clock.ends, overlaps).map { $0 + $1.exposed }, parts, order)
    step = ends.max() ?? .zero
    last = ends.firstIndex(of: step) ?? 0
  }

  /// When each stage, which has reduced what can be by `starts`, has updated its parameters: the first and the last meet where both hold a table.
  private static func ends(
    _ starts: [Picoseconds], _ parts: [ChainParts<TimedBlock>.Part], _ order: PipelineOrder
  ) -> [Picoseconds] {
    let steps = (0..<order.stages).map { stage in
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
    let arrivals = zip(starts, steps).filter { $1.meets }.map { $0 + $1.before }
    let meeting = arrivals.max() ?? .zero
    return zip(starts, steps).map { start, step in
      (step.meets ? meeting : start + step.before) + step.after
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
