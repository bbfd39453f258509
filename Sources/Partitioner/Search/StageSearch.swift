import PlanIR

/// A chain under one placement: bounds and prices every schedule and cut into stages, each stage with as few
/// layers computed again as fit.
final class StageSearch {
  let placement: Int
  private let chain: StageChain
  private let timed: ChainParts<TimedBlock>
  private let times: PlacedTimes
  private let cores: SharedCores
  private let orders: [PipelineOrder]
  private let layers, stages: Int
  /// Schedules and cuts, those bounded least first.
  private(set) var candidates: [Candidate] = []
  /// Cuts that were not looked at, and what these are bounded by; nil where there are none.
  private var rest: StageCuts
  private var restBound: Int?
  /// Plans of the schedules and cuts looked at last that were left out, and of those that need more memory than there
  /// is.
  private(set) var left = 0
  private(set) var overMemory = 0

  /// A schedule and a cut, with the least that a step takes, and that the fullest stage holds.
  struct Candidate {
    let order: Int
    let cut: StageCut
    let bound: Int
    let memory: Bytes
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
    cores = SharedCores(contention: chain.network.costs[placement].contention)
    (orders, layers) = (chain.orders, chain.request.training.layers)
    stages = chain.choices.degree("pipeline")
    rest = StageCuts(layers: layers, stages: stages)
  }

  private var request: SearchRequest { chain.request }
  private var choices: PlanChoices { chain.choices }

  /// Finds schedules and cuts that may be kept where stages may hold `limit`: those from the one numbered `next` on, and
  /// the next cuts.
  func grow(_ ranking: Ranking, limit: Bytes?, from next: Int = 0) {
    let (most, room, bar) = (mostLayers(ranking), chain.room(limit), ranking.bar)
    let part = rest.next(
      upTo: most, room: room?.limits, time: timeLimits(ranking),
      all: request.exhaustive || request.certifies)
    var found = Array(candidates[next...])
    let known = found.count
    found.reserveCapacity(known + part.cuts.count * orders.count)
    var bounds = CandidateBounds(
      chain, times, cores, room,
      FittingTable(chain.stages, orders, fitting(limit), most: max(0, rest.most)),
      bar: bar)
    var over = 0
    for cut in part.cuts {
      let counts = cut.layers(layers, stages: stages)
      for index in orders.indices {
        guard let own = bounds.candidate(index, cut, counts) else {
          over += 1
          continue
        }
        if own.bound <= bar { found.append(own) }
      }
    }
    left = part.cuts.count * orders.count - over - (found.count - known)
    left += part.beaten * orders.count
    over += part.over * orders.count
    overMemory = over
    if rest.most >= most { leaveRest() }
    if let room, rest.most >= room.fullest {
      overMemory += rest.left * orders.count
      rest.leave()
    }
    restBound = rest.left > 0 ? boundOfRest() : nil
    candidates = found.sorted {
      ($0.bound, $0.order, $0.cut.last, $0.cut.first)
        < ($1.bound, $1.order, $1.cut.last, $1.cut.first)
    }
  }

  /// Leaves out all cuts that were not looked at.
  private func leaveRest() {
    left += rest.left * orders.count
    rest.leave()
  }

  /// What a step takes at least, or the fullest stage holds, where one has more layers than those looked at.
  private func boundOfRest() -> Int {
    guard request.objective == .time else {
      return (Bytes(chain.leastBytes(above: rest.most)) + chain.framework).count
    }
    let (bound, overflow) = eachLayer.multipliedReportingOverflow(by: rest.most + 1)
    return overflow ? Int.max : bound
  }

  /// Plans of the candidates from the one numbered `next` on, and of cuts that were not looked at.
  func count(from next: Int) -> Int { candidates.count - next + rest.left * orders.count }

  /// What the candidates from the one numbered `next` on, and cuts that were not looked at, are bounded by; nil where
  /// there are none.
  func bound(from next: Int) -> Int? {
    let own = next < candidates.count ? candidates[next].bound : nil
    return [own, restBound].compactMap(\.self).min()
  }

  /// Whether there are cuts to be looked at before the candidate numbered `next`.
  func mustGrow(before next: Int) -> Bool {
    guard let restBound else { return false }
    return next == candidates.count || restBound < candidates[next].bound
  }

  /// What must be computed again at least for stages to hold no more than `limit`.
  private func fitting(_ limit: Bytes?) -> FittingStages {
    FittingStages(
      chain.stages, room: (limit ?? Bytes(Int.max / 2)) - chain.framework, passes: times.layer,
      again: times.again)
  }

  /// The number of the first candidate, from the one numbered `next` on, that may hold no more than `limit`.
  func next(_ next: Int, within limit: Bytes?) -> Int? {
    guard let limit else { return next < candidates.count ? next : nil }
    return candidates[next...].firstIndex { $0.memory <= limit }
  }

  /// What a schedule and a cut take at least where stages may hold `limit`; nil where one does not fit.
  func bound(_ candidate: Candidate, _ limit: Bytes?) -> Int? {
    let counts = candidate.cut.layers(layers, stages: stages)
    let order = orders[candidate.order]
    var more: [Picoseconds] = []
    if !request.exhaustive {
      let fitting = fitting(limit)
      for (stage, count) in counts.enumerated() {
        let own = fitting.more(stage, layers: count, order.heldPasses(stage, layers: count))
        guard let own else { return nil }
        more.append(own)
      }
    }
    return CutBound(order, times, layers: counts, more: more, cores).step
  }

  /// The most layers that a stage may have.
  private func mostLayers(_ ranking: Ranking) -> Int {
    guard let worst = ranking.worstKept, eachLayer > 0 else { return layers }
    return min(layers, worst.count / eachLayer)
  }

  /// What stages have time for, each with what it does beside its layers; nil where nothing is known.
  private func timeLimits(_ ranking: Ranking) -> CutLimits? {
    guard let worst = ranking.worstKept, eachLayer > 0, stages > 1, cores.contention <= 1 else {
      return nil
    }
    let parts = times.parts
    func layers(beside passes: Picoseconds) -> Int {
      let left = worst.count - (passes * choices.microBatches).count
      return left < 0 ? -1 : left / eachLayer
    }
    var limits = CutLimits(
      most: layers(beside: parts.arrival.all + parts.departure.all), stages: stages)
    limits.first = layers(beside: parts.first.all + parts.departure.all)
    limits.last = layers(beside: parts.last.all + parts.arrival.all)
    return limits
  }

  /// What each layer of a stage takes of a step at least.
  private var eachLayer: Int {
    cores.alone((times.layer.all * choices.microBatches + times.once.time).count)
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
  var path: [String] { chain.path(placement) }

  func path(_ candidate: Candidate) -> [String] {
    path + [CertificatePath.stages(cut(candidate))]
  }

  func path(_ fitted: Fitted) -> [String] { path + [CertificatePath.stages(fitted.choices)] }
}
