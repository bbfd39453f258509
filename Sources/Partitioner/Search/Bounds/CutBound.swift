import PlanIR

/// What a step of stages takes at least, from what each of them does for a micro-batch: what a stage does in
/// all, what comes before and after it, and for how long it must wait for its first gradient.
///
/// Derived from the orders of micro-batches alone; a test holds ``StageClock`` to it. Picoseconds are
/// floating-point numbers here, for these are bounds, taken less than they are by more than rounding makes:
/// they never overflow.
package struct CutBound {
  private let order: PipelineOrder
  private let isSplit, isAllThenAll: Bool
  private let microBatches: Double
  private var stages: [Stage] = []
  private let cores: SharedCores

  /// What a stage takes, in picoseconds: all its chunks for a micro-batch, and once a step.
  private struct Stage {
    var passes: Passes
    var once = 0.0
    /// Gradients that may be reduced beside the last backward pass.
    var reductions = 0.0
    /// The first of several chunks.
    let firstChunk: Passes
  }

  private init(_ order: PipelineOrder, _ cores: SharedCores) {
    (self.order, self.cores) = (order, cores)
    (isSplit, isAllThenAll) = (order.schedule == .zeroBubble, order.schedule == .gpipe)
    microBatches = Double(order.microBatches)
  }

  /// Of stages with `layers` each, which take `more` of a micro-batch for what is computed again.
  init(
    _ order: PipelineOrder, _ times: PlacedTimes, layers: [Int], more: [Picoseconds],
    _ cores: SharedCores
  ) {
    self.init(order, cores)
    let parts = times.parts
    let (layer, arrival) = (Passes(times.layer), Passes(parts.arrival))
    let departure = Passes(parts.departure)
    stages.reserveCapacity(layers.count)
    for (stage, count) in layers.enumerated() {
      let isFirst = stage == 0
      let isLast = stage == layers.count - 1
      var passes = Passes(PassBound())
      var chunk = passes
      var update = times.once * count
      passes = passes + layer * Double(count)
      chunk = chunk + layer * Double(count / order.chunks)
      if !more.isEmpty { passes.inputGradient += Double(more[stage].count) }
      if isFirst {
        passes = passes + Passes(parts.first)
        update = update + parts.firstOnce
      }
      if isLast {
        passes = passes + Passes(parts.last)
        update = update + parts.lastOnce
      }
      if layers.count > 1 {
        passes = passes + arrival * Double(order.chunks - (isFirst ? 1 : 0))
        passes = passes + departure * Double(order.chunks - (isLast ? 1 : 0))
        chunk = chunk + departure
        if !isFirst { chunk = chunk + arrival }
      }
      stages.append(
        Stage(
          passes: passes, once: Double(update.time.count),
          reductions: Double(update.reductions.count), firstChunk: chunk))
    }
  }

  /// Of stages that take as much as `passes` say, `firstChunk` of it in the first of their chunks.
  package init(_ order: PipelineOrder, _ passes: [PassBound], firstChunk: [PassBound]) {
    self.init(order, SharedCores(contention: 1))
    stages = zip(passes, firstChunk).map {
      Stage(passes: Passes($0), firstChunk: Passes($1))
    }
  }

  /// The bound, in picoseconds.
  package var step: Int {
    let bound =
      stages.count == 1
      ? updated(stages[0]) : order.chunks > 1 ? interleaved : whole
    let least = Int(min(bound * (1 - 1e-12), 9e18))
    guard stages.count > 1 else { return least }
    let mean = stages.reduce(0.0) { $0 + busy($1) + $1.once } / Double(stages.count)
    return cores.least(makespan: least, mean: Int(min(mean * (1 - 1e-12), 9e18)) - 1)
  }

  private func busy(_ stage: Stage) -> Double { stage.passes.all * microBatches }

  /// The same with what it does once a step: gradients are reduced no earlier than beside the last backward
  /// pass.
  private func updated(_ stage: Stage) -> Double {
    let back = stage.passes.inputGradient + stage.passes.weightGradient
    return busy(stage) + stage.once + max(0, stage.reductions - back)
  }

  /// What a stage does between a gradient's arrival and its departure.
  private func back(_ stage: Stage) -> Double {
    let passes = stage.passes
    return isSplit ? passes.inputGradient : passes.inputGradient + passes.weightGradient
  }

  /// Each stage one part of the chain.
  private var whole: Double {
    let count = stages.count
    let update = stages[0].once
    var bound = 0.0
    var (before, backBefore, backAfter, through) = (0.0, 0.0, 0.0, 0.0)
    for stage in stages {
      through += stage.passes.forward
      backAfter += back(stage)
    }
    for (index, stage) in stages.enumerated() {
      let back = back(stage)
      backAfter -= back
      let busy = busy(stage)
      bound = max(bound, before + updated(stage))
      if !isSplit { bound = max(bound, before + busy + backBefore + update) }
      // Forward passes before the first gradient, and what is left to do once it is there.
      let ahead = isAllThenAll ? microBatches : min(Double(count - index), microBatches)
      var left = back * microBatches + stage.passes.forward * (microBatches - ahead)
      if isSplit { left += stage.passes.weightGradient * max(0, microBatches - 1 - Double(index)) }
      bound = max(bound, through + backAfter + left + backBefore + update)
      if isAllThenAll {
        // The first gradient is the last micro-batch's.
        let passes = stage.passes.forward * (microBatches - 1) + back * microBatches
        bound = max(bound, through + passes + backAfter + backBefore + update)
      }
      before += stage.passes.forward
      backBefore += back
    }
    return bound
  }

  /// Each stage several parts of the chain: the first micro-batch passes the first of them, and the last
  /// one's gradient at the end.
  private var interleaved: Double {
    let update = stages[0].once
    var bound = 0.0
    var (before, backBefore) = (0.0, 0.0)
    for stage in stages {
      let busy = before + busy(stage)
      bound = max(bound, before + updated(stage), busy + backBefore + update)
      before += stage.firstChunk.forward
      backBefore += stage.firstChunk.inputGradient + stage.firstChunk.weightGradient
    }
    return bound
  }
}
