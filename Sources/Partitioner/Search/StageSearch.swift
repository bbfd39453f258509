import PlanIR

/// A node with one form of its table, its chain put together: bounds and prices every schedule, cut into
/// stages and placement, each stage with as few layers computed again as fit.
final class StageSearch {
  let choices: PlanChoices
  let network: NetworkTable
  private let request: SearchRequest
  private let orders: [PipelineOrder]
  /// By placement.
  private let timed: [ChainParts<TimedBlock>]
  private let times: [PlacedTimes]
  private let least: PlacedTimes
  private let held: ChainParts<HeldBlock<TotalBytes>>
  private var memory: StageMemory
  /// Schedules and cuts, those bounded least first.
  private(set) var candidates: [Candidate] = []
  /// Plans of schedules and cuts that were left out.
  private(set) var left = 0
  /// Plans of schedules and cuts that need more memory than there is.
  private(set) var overMemory = 0

  /// A schedule and a cut, with the least that a step takes.
  struct Candidate {
    let order: Int
    let cut: StageCut
    let bound: Int
  }

  /// A candidate that fits under some placements.
  struct Fitted {
    let choices: PlanChoices
    let order: Int
    let memory: Bytes
    let placement: Int
    /// The least that a step takes.
    let bound: Int
  }

  init(
    _ choices: PlanChoices, _ lowered: LoweredNode, _ request: SearchRequest,
    _ space: CandidateSpace, _ chains: inout ChainTable
  ) throws(ConstraintViolation) {
    self.request = request
    self.choices = choices
    network = lowered.network
    let stages = choices.degree("pipeline")
    orders = space.orders(stages: stages, microBatches: choices.microBatches).map {
      PipelineOrder(
        schedule: $0.0, stages: stages, chunks: $0.interleave, microBatches: choices.microBatches)
    }
    let context = try request.training.openContext(choices)
    let profile = try chains.chain(
      layers: lowered.groups, ends: try chains.ends(context),
      boundaries: try chains.boundaries(context))
    let batch = choices.degree("data") * choices.microBatch
    try profile.check(batch, choices.mesh)
    let computed = profile.computed(batch, network.costs[0])
    timed = network.costs.map { cost in
      profile.priced(computed, batch, cost).map { TimedBlock($0, cost) }
    }
    times = timed.map { PlacedTimes($0) }
    least = times.dropFirst().reduce(times[0]) { $0.least($1) }
    held = computed.map { HeldBlock($0) }
    memory = StageMemory(request: request, choices: choices, chain: held, orders: orders)
  }

  private var layers: Int { request.training.model.layers }
  private var stages: Int { choices.degree("pipeline") }

  /// Finds the schedules and cuts that may be kept.
  func open(_ ranking: Ranking) {
    let most = mostLayers(ranking)
    let cuts = StageCut.all(layers: layers, stages: stages, most: most)
    var found: [Candidate] = []
    found.reserveCapacity(cuts.count * orders.count)
    let fitting = fittingStages
    var over = 0
    for cut in cuts {
      let counts = cut.layers(layers, stages: stages)
      for (index, order) in orders.enumerated() {
        guard let bound = bound(order, counts, fitting) else {
          over += 1
          continue
        }
        if !ranking.isBeaten(bound) {
          found.append(Candidate(order: index, cut: cut, bound: bound))
        }
      }
    }
    overMemory = over * network.costs.count
    let all = StageCut.count(layers: layers, stages: stages) * orders.count
    left = (all - over - found.count) * network.costs.count
    candidates = found.sorted {
      ($0.bound, $0.order, $0.cut.last, $0.cut.first)
        < ($1.bound, $1.order, $1.cut.last, $1.cut.first)
    }
  }

  /// What must be computed again at least for stages to fit; nil where nothing is known of it.
  private var fittingStages: FittingStages? {
    guard !request.exhaustive, !request.keepsFront else { return nil }
    var memory = LayerMemory()
    for segment in held.blocks.indices where held.areLayers[segment] {
      let own = LayerMemory(held.blocks[segment], again: least.again)
      memory = memory.kept.isEmpty ? own : memory.least(own)
    }
    return FittingStages(
      stages: stages, microBatches: choices.microBatches, layers: layers,
      room: (request.limit ?? Bytes(Int.max / 2)) - request.cluster.device.framework
        - Bytes(memory.transient), passes: least.layer, memory: memory,
      storedBytes: memory.stored.program.count, recompute: request.pins.recompute)
  }

  /// The least that a step takes under any placement, nothing where time is not what is asked for; nil where
  /// a stage does not fit.
  private func bound(
    _ order: PipelineOrder, _ counts: [Int], _ fitting: FittingStages?
  ) -> Int? {
    var more: [Picoseconds] = []
    guard request.objective == .time else {
      return leastMemory(counts, fitting, isInterleaved: order.chunks > 1)
    }
    if let fitting {
      for (stage, count) in counts.enumerated() {
        let own = fitting.more(stage, layers: count, isInterleaved: order.chunks > 1)
        guard let own else { return nil }
        more.append(own)
      }
    }
    return CutBound(order, least, layers: counts, more: more).step
  }

  /// What the fullest stage holds at least.
  private func leastMemory(
    _ counts: [Int], _ fitting: FittingStages?, isInterleaved: Bool
  ) -> Int? {
    guard let fitting else { return 0 }
    let rooms = counts.enumerated().map {
      fitting.room($0.offset, layers: $0.element, isInterleaved: isInterleaved)
    }
    let transient = layers > 0 ? fitting.transient : 0
    let most = Bytes((rooms.max() ?? 0) + transient) + request.cluster.device.framework
    return request.limit.map { most > $0 } ?? false ? nil : most.count
  }

  /// The most layers that a stage may have.
  private func mostLayers(_ ranking: Ranking) -> Int {
    let each = (least.layer.all * choices.microBatches + least.once).count
    guard let worst = ranking.worstKept, each > 0 else { return layers }
    return min(layers, worst.count / each)
  }

  // MARK: - A schedule and a cut

  /// What fits of a schedule and a cut, by placement, with what is computed again; counts what does not.
  func fitted(_ candidate: Candidate, _ ranking: inout Ranking) -> [Fitted] {
    let order = orders[candidate.order]
    var choices = choices
    (choices.schedule, choices.interleave) = (order.schedule, order.chunks)
    choices.stages = candidate.cut.layers(layers, stages: stages)
      .map { StageChoice(layers: $0, recomputeNone: $0) }
    do throws(ConstraintViolation) {
      try PipelineOrder.check(choices)
      let map = try StageMap(choices)
      if map.layers.contains(where: \.isEmpty) { try Lowering.checkCut(held, map) }
    } catch {
      ranking.refuse(error, count: network.costs.count)
      return []
    }
    // Whether it is cheaper to compute some layers whole again or more of them in part depends on where
    // devices lie.
    let isSame = request.training.workload.attention == .fused
    let sets = isSame ? [times.indices] : times.indices.map { $0..<$0 + 1 }
    return sets.flatMap { placements -> [Fitted] in
      let again = times[placements.lowerBound].again
      let found = memory.fitted(choices, candidate.order, again: again)
      if found.isEmpty { ranking.refuseOverMemory(count: placements.count) }
      return found.flatMap { choices, memory in
        placements.map { fitted(choices, candidate.order, memory, $0) }
      }
    }
  }

  private func fitted(
    _ choices: PlanChoices, _ order: Int, _ memory: Bytes, _ placement: Int
  ) -> Fitted {
    let times = times[placement]
    let bound = CutBound(
      orders[order], times, layers: choices.stages.map(\.layers),
      more: choices.stages.map(times.again)
    ).step
    return Fitted(
      choices: choices, order: order, memory: memory, placement: placement, bound: bound)
  }

  /// Prices what fits.
  func price(_ fitted: Fitted, _ traces: inout TraceTable, _ ranking: inout Ranking) {
    guard let map = try? StageMap(fitted.choices) else { return }
    let order = orders[fitted.order]
    let time = StepTime(timed[fitted.placement], map, order, trace: traces.of(order))
    ranking.offer(step: time.step, memory: fitted.memory) {
      var choices = fitted.choices
      choices.placement = network.placements[fitted.placement]
      return choices
    }
  }
}
