import PlanIR

/// A chain under one placement: bounds and prices every schedule and cut into stages, each stage with as few
/// layers computed again as fit.
final class StageSearch {
  let placement: Int
  private let chain: StageChain
  private let timed: ChainParts<TimedBlock>
  private let times: PlacedTimes
  /// Schedules and cuts, those bounded least first.
  private(set) var candidates: [Candidate] = []
  /// Plans of schedules and cuts that were left out.
  private(set) var left = 0
  /// Plans of schedules and cuts that need more memory than there is.
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
    var table =
      request.exhaustive ? nil : FittingTable(chain.stages, orders, fitting(limit))
    var over = 0
    for cut in cuts {
      let counts = cut.layers(layers, stages: stages)
      for index in orders.indices {
        guard let own = candidate(index, cut, counts, &table, limit) else {
          over += 1
          continue
        }
        if !ranking.isBeaten(own.bound) { found.append(own) }
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

  /// What must be computed again at least for stages to hold no more than `limit`.
  private func fitting(_ limit: Bytes?) -> FittingStages {
    FittingStages(
      chain.stages, room: (limit ?? Bytes(Int.max / 2)) - chain.framework, passes: times.layer,
      again: times.again)
  }

  /// A schedule and a cut, bounded where there is a `table`; nil where a stage does not fit.
  private func candidate(
    _ order: Int, _ cut: StageCut, _ counts: [Int], _ table: inout FittingTable?, _ limit: Bytes?
  ) -> Candidate? {
    let held = (table?.bytes(order, counts)).map { Bytes($0) + chain.framework } ?? .zero
    if let limit, held > limit { return nil }
    guard request.objective == .time else {
      return Candidate(order: order, cut: cut, bound: held.count, memory: held)
    }
    var more: [Picoseconds] = []
    if table != nil {
      guard let own = table?.more(order, counts) else { return nil }
      more = own
    }
    let bound = CutBound(orders[order], times, layers: counts, more: more, cores).step
    return Candidate(order: order, cut: cut, bound: bound, memory: held)
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
  var path: [String] { chain.path(placement) }

  func path(_ candidate: Candidate) -> [String] {
    path + [CertificatePath.stages(cut(candidate))]
  }

  func path(_ fitted: Fitted) -> [String] { path + [CertificatePath.stages(fitted.choices)] }
}
