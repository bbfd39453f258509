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
    /// The first of several chunks, and the last; what comes before all layers is not of the first.
    let firstChunk, lastChunk: Passes
    /// What comes before all layers, and what computing layers again adds.
    var before = Passes(PassBound())
    var more = 0.0
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
    let (first, last) = (Passes(parts.first), Passes(parts.last))
    let nothing = Passes(PassBound())
    stages.reserveCapacity(layers.count)
    for (stage, count) in layers.enumerated() {
      let isFirst = stage == 0
      let isLast = stage == layers.count - 1
      var passes = layer * Double(count)
      var firstChunk = layer * Double(count / order.chunks)
      var lastChunk = layer * Double(count - count * (order.chunks - 1) / order.chunks)
      var update = times.once * count
      let more = more.isEmpty ? 0 : Double(more[stage].count)
      passes.inputGradient += more
      if isFirst {
        passes = passes + first
        update = update + parts.firstOnce
      }
      if isLast {
        (passes, lastChunk) = (passes + last, lastChunk + last)
        update = update + parts.lastOnce
      }
      if layers.count > 1 {
        passes = passes + arrival * Double(order.chunks - (isFirst ? 1 : 0))
        passes = passes + departure * Double(order.chunks - (isLast ? 1 : 0))
        firstChunk = firstChunk + departure
        if !isFirst { firstChunk = firstChunk + arrival }
        lastChunk = lastChunk + arrival
        if !isLast { lastChunk = lastChunk + departure }
      }
      stages.append(
        Stage(
          passes: passes, once: Double(update.time.count),
          reductions: Double(update.reductions.count), firstChunk: firstChunk,
          lastChunk: lastChunk, before: isFirst ? first : nothing, more: more))
    }
  }

  /// What the busiest of such stages alone makes of a step at least, in picoseconds, never more than ``step``: found
  /// without what stages wait for. Nothing where cores are shared, or there is one stage.
  static func busiest(
    _ order: PipelineOrder, _ times: PlacedTimes, layers: [Int], more: [Picoseconds],
    _ cores: SharedCores
  ) -> Int {
    guard cores.contention <= 1, layers.count > 1 else { return 0 }
    let parts = times.parts
    let (each, once) = (Double(times.layer.all.count), Double(times.once.time.count))
    let (arrival, departure) = (
      Double(parts.arrival.all.count), Double(parts.departure.all.count)
    )
    var most = 0.0
    for (stage, count) in layers.enumerated() {
      var own = each * Double(count) + (arrival + departure) * Double(order.chunks)
      if stage == 0 { own += Double(parts.first.all.count) - arrival }
      if stage == layers.count - 1 { own += Double(parts.last.all.count) - departure }
      if !more.isEmpty { own += Double(more[stage].count) }
      most = max(most, own * Double(order.microBatches) + once * Double(count))
    }
    return Int(min(most * (1 - 2e-12), 9e18))
  }

  /// Of stages that take as much as `passes` say, `firstChunk` of it in the first of their chunks, `lastChunk` in the last.
  package init(
    _ order: PipelineOrder, _ passes: [PassBound], firstChunk: [PassBound],
    lastChunk: [PassBound]
  ) {
    self.init(order, SharedCores(contention: 1))
    stages = passes.indices.map {
      Stage(
        passes: Passes(passes[$0]), firstChunk: Passes(firstChunk[$0]),
        lastChunk: Passes(lastChunk[$0]))
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
      backBefore += stage.firstChunk.backward
    }
    return max(bound, heldUp + update)
  }

  /// The same where the last chunk of the last stage, which has the head, holds all others up.
  ///
  /// Once a round, as many micro-batches as there are stages pass each chunk of a stage in turn. What a stage does goes on
  /// no earlier than along this path: all that it does up to the round's first pass through its last chunk; that pass
  /// down to the last stage; all passes there, forward and backward in turn; the last gradient back up to the stage. Left
  /// out are its own passes meanwhile: all but one of those through its last chunk, and, where rounds overlap, as many more of its
  /// first chunk as the order takes it ahead of the last stage.
  private var heldUp: Double {
    let count = stages.count
    guard count > 1, let last = stages.last else { return 0 }
    let rounds = (microBatches / Double(count)).rounded(.down)
    let isOne = order.microBatches == count
    let heavy = last.lastChunk.all * Double(count)
    var (bound, below) = (0.0, 0.0)
    var before = stages.dropLast().reduce(0.0) { $0 + $1.firstChunk.all }
    for index in (0..<count - 1).reversed() {
      let stage = stages[index]
      before -= stage.firstChunk.all
      let ahead = isOne ? 0 : 2 * (count - 1 - index)
      // Rounds must not overlap in what is left out.
      if isOne || count * order.chunks > count - 1 + ahead {
        let own = stage.lastChunk.all * Double(count - 1)
        let first = (stage.firstChunk + stage.before).all * Double(ahead)
        let held = max(0, heavy + below - own - first) * rounds
        let busy = busy(stage) - stage.more * microBatches
        bound = max(bound, before + busy + held)
      }
      below += stage.lastChunk.all
    }
    return bound
  }
}
