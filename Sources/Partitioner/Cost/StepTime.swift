import PlanIR

/// When a step ends: micro-batches through the stages, then on each stage gradients are reduced and
/// parameters updated.
struct StepTime {
  let step: Picoseconds
  /// The stage that ends last; of several the first.
  let last: Int
  /// When each stage does what; nil of one stage.
  let clock: StageClock?

  /// `trace` is that of `order`, where it is known.
  init(
    _ chain: ChainParts<PricedBlock>, _ map: StageMap, _ order: PipelineOrder,
    _ cost: any CostModel, trace: StageTrace? = nil
  ) {
    guard order.stages > 1 else {
      (step, last, clock) = (.zero, 0, nil)
      return
    }
    let parts = chain.parts(map)
    let times = parts.map { PassTimes($0, cost) }
    guard let trace = trace ?? StageTrace(order) else {
      preconditionFailure("stages of schedule \(order.schedule.rawValue) wait for each other")
    }
    let clock = StageClock(trace, times: times)
    self.clock = clock
    let ends = Self.ends(clock.ends, parts, order, cost)
    step = ends.max() ?? .zero
    last = ends.firstIndex(of: step) ?? 0
  }

  /// When each stage has updated its parameters: the first and the last meet where both hold a table.
  private static func ends(
    _ starts: [Picoseconds], _ parts: [ChainParts<PricedBlock>.Part], _ order: PipelineOrder,
    _ cost: any CostModel
  ) -> [Picoseconds] {
    let steps = (0..<order.stages).map { stage in
      let units = (0..<order.chunks).flatMap { parts[$0 * order.stages + stage].units }
      var step = LastStep()
      for unit in units.reversed() {
        for (_, item) in unit.items.reversed() {
          step.add(item.reduceGradients, layers: unit.layers.count, cost)
        }
      }
      for unit in units {
        for (_, item) in unit.items {
          step.add(item.optimize, layers: unit.layers.count, cost)
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

    mutating func add(_ body: BodySummary, layers: Int, _ cost: any CostModel) {
      if body.exchanges { meets = true }
      let time = (body.kernels + body.communication(cost)) * layers
      if meets { after += time } else { before += time }
    }
  }
}

extension PassTimes {
  /// What a micro-batch takes on a part of the chain.
  init(_ part: ChainParts<PricedBlock>.Part, _ cost: any CostModel) {
    func sum(_ bodies: (ChainParts<PricedBlock>.Unit) -> [BodySummary]) -> Picoseconds {
      part.units.reduce(.zero) { sum, unit in
        bodies(unit).reduce(sum) { $0 + Self.time($1, cost) * unit.layers.count }
      }
    }
    let arrival = part.arrival?.items.first?.item ?? PricedBlock()
    let departure = part.departure?.items.first?.item ?? PricedBlock()
    let (forward, gradient) = (
      arrival.forward.received(cost), departure.inputGradient.received(cost)
    )
    self.init(
      forwardReceive: forward,
      forward: Self.time(arrival.forward, cost) - forward
        + sum { unit in
          unit.items.map { $0.item.forward(unit.recompute) }
        },
      forwardSend: Self.time(departure.forward, cost), gradientReceive: gradient,
      inputGradient: Self.time(departure.inputGradient, cost) - gradient
        + sum { $0.again + $0.items.map(\.item.inputGradient) },
      gradientSend: Self.time(arrival.inputGradient, cost),
      weightGradient: sum { $0.items.map(\.item.weightGradient) })
  }

  private static func time(_ body: BodySummary, _ cost: any CostModel) -> Picoseconds {
    body.kernels + body.communication(cost)
  }
}
