import PlanIR

/// What layers and ends take under a placement, to bound cuts into stages.
struct PlacedTimes {
  /// Of the layer that takes least.
  private(set) var layer = PassBound()
  private(set) var once = Picoseconds.zero
  /// What computing the layer again takes at least, by how much of it.
  private(set) var again: [Recomputation: Picoseconds] = [:]
  /// What comes before all layers, and after.
  private(set) var first = PassBound()
  private(set) var last = PassBound()
  private(set) var firstOnce = Picoseconds.zero
  private(set) var lastOnce = Picoseconds.zero

  /// Of a chain whose times are known.
  init(_ chain: ChainParts<TimedBlock>) {
    let own = chain.areLayers.indices.filter { chain.areLayers[$0] }
    var least: PassBound?
    for segment in own {
      let blocks = chain.blocks[segment]
      let passes = Self.passes(blocks)
      let isFirst = least == nil
      least = least.map { $0.least(passes) } ?? passes
      once = isFirst ? Self.once(blocks) : min(once, Self.once(blocks))
      for kind in [Recomputation.selective, .full] {
        let time = blocks.reduce(Picoseconds.zero) {
          $0 + ($1.forms.again(kind, isLast: true) ?? .zero)
        }
        again[kind] = min(again[kind] ?? time, time)
      }
    }
    layer = least ?? PassBound()
    for segment in chain.blocks.indices where !chain.areLayers[segment] {
      let blocks = chain.blocks[segment]
      if segment < own.first ?? 0 {
        first = first + Self.passes(blocks) * chain.counts[segment]
        firstOnce += Self.once(blocks) * chain.counts[segment]
      } else if segment > own.last ?? -1 {
        last = last + Self.passes(blocks) * chain.counts[segment]
        lastOnce += Self.once(blocks) * chain.counts[segment]
      }
    }
  }

  /// What a stage computes again of a micro-batch at least.
  func again(_ choice: StageChoice) -> Picoseconds {
    (again[.full] ?? .zero) * choice.recomputeFull
      + (again[.selective] ?? .zero) * choice.recomputeSelective
  }

  /// The lesser of each.
  func least(_ other: PlacedTimes) -> PlacedTimes {
    var result = self
    result.layer = layer.least(other.layer)
    (result.first, result.last) = (first.least(other.first), last.least(other.last))
    result.once = min(once, other.once)
    result.firstOnce = min(firstOnce, other.firstOnce)
    result.lastOnce = min(lastOnce, other.lastOnce)
    result.again.merge(other.again) { min($0, $1) }
    return result
  }

  private static func passes(_ blocks: [TimedBlock]) -> PassBound {
    blocks.reduce(PassBound()) { sum, block in
      sum
        + PassBound(
          forward: block.forward, inputGradient: block.inputGradient,
          weightGradient: block.weightGradient)
    }
  }

  private static func once(_ blocks: [TimedBlock]) -> Picoseconds {
    blocks.reduce(.zero) { $0 + $1.reduceGradients.time + $1.optimize.time }
  }
}

/// What a step of stages takes at least, from what each of them does for a micro-batch: what a stage does in
/// all, what comes before and after it, and for how long it must wait for its first gradient.
///
/// Derived from the orders of micro-batches alone; a test holds ``StageClock`` to it.
package struct CutBound {
  package let order: PipelineOrder
  /// By stage, of all its chunks.
  private var forward: [Picoseconds] = []
  private var inputGradient: [Picoseconds] = []
  private var weightGradient: [Picoseconds] = []
  private var once: [Picoseconds] = []
  /// By stage, of the first of several chunks.
  private var firstChunk: [PassBound] = []

  /// Of stages with `layers` each, which take `more` of a micro-batch for what is computed again.
  init(
    _ order: PipelineOrder, _ times: PlacedTimes, layers: [Int], more: [Picoseconds] = []
  ) {
    self.order = order
    reserve(layers.count)
    for (stage, count) in layers.enumerated() {
      var passes = times.layer * count
      var update = times.once * count
      if !more.isEmpty { passes.inputGradient += more[stage] }
      if stage == 0 {
        passes = passes + times.first
        update += times.firstOnce
      }
      if stage == layers.count - 1 {
        passes = passes + times.last
        update += times.lastOnce
      }
      add(passes, once: update, firstChunk: times.layer * (count / order.chunks))
    }
  }

  /// Of stages that take as much as `passes` say, `firstChunk` of it in the first of their chunks.
  package init(_ order: PipelineOrder, _ passes: [PassBound], firstChunk: [PassBound]) {
    self.order = order
    for (passes, chunk) in zip(passes, firstChunk) { add(passes, once: .zero, firstChunk: chunk) }
  }

  private mutating func reserve(_ count: Int) {
    forward.reserveCapacity(count)
    inputGradient.reserveCapacity(count)
    weightGradient.reserveCapacity(count)
    once.reserveCapacity(count)
    firstChunk.reserveCapacity(count)
  }

  private mutating func add(
    _ passes: PassBound, once update: Picoseconds, firstChunk chunk: PassBound
  ) {
    firstChunk.append(chunk)
    forward.append(passes.forward)
    inputGradient.append(passes.inputGradient)
    weightGradient.append(passes.weightGradient)
    once.append(update)
  }

  private var microBatches: Int { order.microBatches }
  private var isSplit: Bool { order.schedule == .zeroBubble }

  /// The bound.
  package var step: Int {
    if order.stages == 1 {
      return (busy(0) + once[0]).count
    }
    return (order.chunks > 1 ? interleaved : whole).count
  }

  private func busy(_ stage: Int) -> Picoseconds {
    (forward[stage] + inputGradient[stage] + weightGradient[stage]) * microBatches
  }

  /// What a stage does between a gradient's arrival and its departure.
  private func back(_ stage: Int) -> Picoseconds {
    isSplit ? inputGradient[stage] : inputGradient[stage] + weightGradient[stage]
  }

  /// Each stage one part of the chain.
  private var whole: Picoseconds {
    let stages = order.stages
    var bound = Picoseconds.zero
    let through = forward.reduce(.zero, +)
    var (before, backBefore) = (Picoseconds.zero, Picoseconds.zero)
    var backAfter = (0..<stages).reduce(Picoseconds.zero) { $0 + back($1) }
    for stage in 0..<stages {
      backAfter -= back(stage)
      bound = max(bound, before + busy(stage) + once[stage])
      if !isSplit { bound = max(bound, before + busy(stage) + backBefore + once[0]) }
      // Forward passes before the first gradient, and what is left to do once it is there.
      let ahead =
        order.schedule == .gpipe ? microBatches : min(stages - stage, microBatches)
      var left = back(stage) * microBatches + forward[stage] * (microBatches - ahead)
      if isSplit { left += weightGradient[stage] * max(0, microBatches - 1 - stage) }
      bound = max(bound, through + backAfter + left + backBefore + once[0])
      if order.schedule == .gpipe {
        // The first gradient is the last micro-batch's.
        let passes = forward[stage] * (microBatches - 1) + back(stage) * microBatches
        bound = max(bound, through + passes + backAfter + backBefore + once[0])
      }
      before += forward[stage]
      backBefore += back(stage)
    }
    return bound
  }

  /// Each stage several parts of the chain: the first micro-batch passes the first of them, and the last
  /// one's gradient at the end.
  private var interleaved: Picoseconds {
    var bound = Picoseconds.zero
    var (before, backBefore) = (Picoseconds.zero, Picoseconds.zero)
    for stage in 0..<order.stages {
      bound = max(bound, before + busy(stage) + once[stage])
      bound = max(bound, before + busy(stage) + backBefore + once[0])
      before += firstChunk[stage].forward
      backBefore += firstChunk[stage].inputGradient + firstChunk[stage].weightGradient
    }
    return bound
  }
}
