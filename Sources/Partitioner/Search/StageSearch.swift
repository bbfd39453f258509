import PlanIR

/// A node with one form of its table, its chain put together for all placements.
final class StageChain {
  let choices: PlanChoices
  let network: NetworkTable
  let request: SearchRequest
  /// What the framework allocates.
  fileprivate let framework: Bytes
  let orders: [PipelineOrder]
  let held: ChainParts<HeldBlock<TotalBytes>>
  fileprivate var memory: StageMemory
  private let profile: ChainProfile
  private let computed: ChainParts<PricedBlock>

  init(
    _ choices: PlanChoices, _ lowered: LoweredNode, _ request: SearchRequest,
    _ space: CandidateSpace, _ chains: inout ChainTable
  ) throws(ConstraintViolation) {
    self.request = request
    self.choices = choices
    network = lowered.network
    framework = request.cluster.device.framework(
      request.training, choices.mesh, microBatches: choices.microBatches)
    let stages = choices.degree("pipeline")
    orders = space.orders(stages: stages, microBatches: choices.microBatches).map {
      PipelineOrder(
        schedule: $0.0, stages: stages, chunks: $0.interleave, microBatches: choices.microBatches)
    }
    let context = try request.training.openContext(choices)
    // Found before the table is read: it would be copied to be changed.
    let (ends, boundaries) = (try chains.ends(context), try chains.boundaries(context))
    profile = try chains.chain(layers: lowered.groups, ends: ends, boundaries: boundaries)
    let batch = choices.batch
    try profile.check(batch, choices.mesh)
    computed = profile.computed(batch, network.costs[0])
    held = computed.map { HeldBlock($0) }
    memory = StageMemory(request: request, choices: choices, chain: held, orders: orders)
  }

  /// What it takes under a placement.
  func timed(_ placement: Int) -> ChainParts<TimedBlock> {
    let cost = network.costs[placement]
    return profile.priced(computed, choices.batch, cost).map { TimedBlock($0, cost) }
  }
}

extension PlanChoices {
  /// Sequences that enter the mesh at a time.
  fileprivate var batch: Int { degree("data") * microBatch }
}

/// A chain under one placement: bounds and prices every schedule and cut into stages, each stage with as few
/// layers computed again as fit.
final class StageSearch {
  let placement: Int
  private let chain: StageChain
  private let timed: ChainParts<TimedBlock>
  private let times: PlacedTimes
  /// What one layer holds at least, of all kinds that there are.
  private let layer: LayerMemory
  private let beside: EndsBytes
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

  /// A candidate that fits.
  struct Fitted {
    let candidate: Candidate
    let choices: PlanChoices
    let memory: Bytes
    /// The least that a step takes.
    let bound: Int
  }

  init(_ chain: StageChain, placement: Int) {
    self.chain = chain
    self.placement = placement
    timed = chain.timed(placement)
    times = PlacedTimes(timed)
    var layer = LayerMemory()
    let held = chain.held
    for segment in held.blocks.indices where held.areLayers[segment] {
      let own = LayerMemory(held.blocks[segment], again: times.again)
      layer = layer.kept.isEmpty ? own : layer.least(own)
    }
    self.layer = layer
    let ends = LayerRange(held.areLayers).ends(of: held)
    func stored(_ blocks: [HeldBlock<TotalBytes>]) -> Int {
      blocks.reduce(0) { $0 + $1.stored.bytes }
    }
    let kept = ends.last.reduce(0) { $0 + $1.forward.change.bytes }
    beside = EndsBytes(
      first: stored(ends.first), last: stored(ends.last),
      head: kept + (ends.last.last?.inputGradient.peak.bytes ?? 0))
  }

  private var request: SearchRequest { chain.request }
  private var cores: SharedCores {
    SharedCores(contention: chain.network.costs[placement].contention)
  }
  private var choices: PlanChoices { chain.choices }
  private var orders: [PipelineOrder] { chain.orders }
  private var layers: Int { request.training.layers }
  private var stages: Int { choices.degree("pipeline") }

  /// Finds the schedules and cuts that may be kept where stages may hold `limit`.
  func open(_ ranking: Ranking, limit: Bytes?) {
    let most = mostLayers(ranking)
    let cuts = StageCut.all(layers: layers, stages: stages, most: most)
    var found: [Candidate] = []
    found.reserveCapacity(cuts.count * orders.count)
    var fitting = fittingStages(limit).map { FittingTable($0, orders, layers: layers) }
    var over = 0
    for cut in cuts {
      let counts = cut.layers(layers, stages: stages)
      for index in orders.indices {
        guard let bound = bound(index, counts, &fitting, limit) else {
          over += 1
          continue
        }
        if !ranking.isBeaten(bound) {
          found.append(Candidate(order: index, cut: cut, bound: bound))
        }
      }
    }
    overMemory = over
    let all = StageCut.count(layers: layers, stages: stages) * orders.count
    left = all - over - found.count
    candidates = found.sorted {
      ($0.bound, $0.order, $0.cut.last, $0.cut.first)
        < ($1.bound, $1.order, $1.cut.last, $1.cut.first)
    }
  }

  /// What must be computed again at least for stages to hold no more than `limit`; nil where nothing is known of it.
  private func fittingStages(_ limit: Bytes?) -> FittingStages? {
    guard !request.exhaustive else { return nil }
    return FittingStages(
      stages: stages, microBatches: choices.microBatches, layers: layers,
      room: (limit ?? Bytes(Int.max / 2)) - chain.framework, beside: beside,
      passes: times.layer, memory: layer, storedBytes: layer.stored.program.count,
      recompute: request.pins.recompute)
  }

  /// Whether any schedule and cut may hold no more than `limit`.
  func mayFit(_ limit: Bytes?) -> Bool {
    guard let fitting = fittingStages(limit) else { return true }
    let interleaves = Set(orders.map { $0.chunks > 1 })
    return interleaves.contains { fitting.busiest(atLeast: 0, isInterleaved: $0) != nil }
  }

  /// What a schedule and a cut take at least where stages may hold `limit`; nil where one does not fit.
  func bound(_ candidate: Candidate, _ limit: Bytes?) -> Int? {
    let counts = candidate.cut.layers(layers, stages: stages)
    let order = orders[candidate.order]
    var more: [Picoseconds] = []
    if let fitting = fittingStages(limit) {
      for (stage, count) in counts.enumerated() {
        let own = fitting.more(stage, layers: count, order.heldPasses(stage, layers: count))
        guard let own else { return nil }
        more.append(own)
      }
    }
    return CutBound(order, times, layers: counts, more: more, cores).step
  }

  /// The least that a step takes, or that the fullest stage holds; nil where a stage does not fit.
  private func bound(
    _ order: Int, _ counts: [Int], _ fitting: inout FittingTable?, _ limit: Bytes?
  ) -> Int? {
    guard request.objective == .time else { return leastMemory(order, counts, &fitting, limit) }
    var more: [Picoseconds] = []
    if fitting != nil {
      guard let own = fitting?.more(order, counts) else { return nil }
      more = own
    }
    return CutBound(orders[order], times, layers: counts, more: more, cores).step
  }

  /// What the fullest stage holds at least.
  private func leastMemory(
    _ order: Int, _ counts: [Int], _ fitting: inout FittingTable?, _ limit: Bytes?
  ) -> Int? {
    guard let bytes = fitting?.bytes(order, counts) else { return 0 }
    let most = Bytes(bytes) + chain.framework
    return limit.map { most > $0 } ?? false ? nil : most.count
  }

  /// The most layers that a stage may have.
  private func mostLayers(_ ranking: Ranking) -> Int {
    let each = (times.layer.all * choices.microBatches + times.once.time).count
    guard let worst = ranking.worstKept, cores.alone(each) > 0 else { return layers }
    return min(layers, worst.count / cores.alone(each))
  }

  // MARK: - A schedule and a cut

  /// What fits of a schedule and a cut, with what is computed again; counts what does not.
  func fitted(_ candidate: Candidate, _ ranking: inout Ranking) -> [Fitted] {
    guard let choices = checked(candidate, &ranking) else { return [] }
    let found = chain.memory.fitted(choices, candidate.order, again: times.again)
    if found.isEmpty { ranking.refuseOverMemory(count: 1) }
    return found.map { fitted($0, candidate, $1) }
  }

  /// What of a schedule and a cut takes least and holds no more than `limit`; counts what does not.
  func fitted(_ candidate: Candidate, _ limit: Bytes?, _ ranking: inout Ranking) -> Fitted? {
    guard let choices = checked(candidate, &ranking) else { return nil }
    let found = chain.memory.fewest(
      choices, candidate.order, again: times.again, limit: limit)
    if found == nil && limit == request.limit { ranking.refuseOverMemory(count: 1) }
    return found.map { fitted($0, candidate, $1) }
  }

  /// The choices of a schedule and a cut, nothing computed again; counts those that cannot be.
  private func checked(_ candidate: Candidate, _ ranking: inout Ranking) -> PlanChoices? {
    let choices = cut(candidate)
    do throws(ConstraintViolation) {
      try PipelineOrder.check(choices)
      let map = try StageMap(choices)
      if map.layers.contains(where: \.isEmpty) { try Lowering.checkCut(chain.held, map) }
      return choices
    } catch {
      ranking.refuse(error, count: 1)
      return nil
    }
  }

  /// The choices of a schedule and a cut, nothing computed again.
  private func cut(_ candidate: Candidate) -> PlanChoices {
    let order = orders[candidate.order]
    var choices = choices
    (choices.schedule, choices.interleave) = (order.schedule, order.chunks)
    choices.stages = candidate.cut.layers(layers, stages: stages)
      .map { StageChoice(layers: $0, recomputeNone: $0) }
    return choices
  }

  private func fitted(
    _ choices: PlanChoices, _ candidate: Candidate, _ memory: Bytes
  ) -> Fitted {
    let bound = CutBound(
      orders[candidate.order], times, layers: choices.stages.map(\.layers),
      more: choices.stages.map(times.again), cores
    ).step
    return Fitted(candidate: candidate, choices: choices, memory: memory, bound: bound)
  }

  /// Prices what fits; the time of its step.
  func price(
    _ fitted: Fitted, _ traces: inout TraceTable, _ ranking: inout Ranking
  ) -> Picoseconds? {
    guard let map = try? StageMap(fitted.choices) else { return nil }
    let order = orders[fitted.candidate.order]
    let time = StepTime(
      timed, map, order, contention: cores.contention, trace: traces.of(order))
    ranking.offer(step: time.step, memory: fitted.memory) {
      var choices = fitted.choices
      choices.placement = chain.network.placements[placement]
      return choices
    }
    return time.step
  }

  // MARK: - Certificate

  /// The decisions before schedule and cut.
  var path: [String] {
    CertificatePath.node(choices)
      + [
        CertificatePath.placement(chain.network.placements[placement]),
        CertificatePath.table(choices),
      ]
  }

  func path(_ candidate: Candidate) -> [String] {
    path + [CertificatePath.stages(cut(candidate))]
  }

  func path(_ fitted: Fitted) -> [String] { path + [CertificatePath.stages(fitted.choices)] }
}
