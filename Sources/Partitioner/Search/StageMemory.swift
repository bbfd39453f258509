import PlanIR

/// What stages hold, and the fewest of their layers that must be computed again for them to fit: as few as
/// can be, for each takes time.
///
/// Stages do not depend on each other: what a stage holds follows from its own layers, for its
/// micro-batches in flight are the schedule's. More layers recomputed never hold more between calls;
/// a stage that recomputes one holds that layer's forward pass again, so that the first layer may
/// cost memory. The fewest that fit are found by trying none, then halving from all.
struct StageMemory {
  private let request: SearchRequest
  private let chain: ChainParts<HeldBlock<TotalBytes>>
  private let orders: [PipelineOrder]
  /// What frameworks allocate beside.
  private let framework: Bytes
  /// Whether stages of as many layers hold as much wherever their layers lie in the chain.
  private let isUniform: Bool
  private var peaks: [Key<StageChoice>: Bytes] = [:]
  private var again: ByRecomputation<Picoseconds> = [:]
  /// The fewest layers of so many that must be computed again to fit under the limit; nil where none do.
  private var fewest: [Key<Int>: (choice: StageChoice, peak: Bytes)?] = [:]

  /// A stage, of `own` layers.
  private struct Key<Own: Hashable>: Hashable {
    let order, stage: Int
    let own: Own
    /// Layers before the stage's own, where that matters.
    let before: Int
  }

  init(
    request: SearchRequest, chain: ChainParts<HeldBlock<TotalBytes>>, orders: [PipelineOrder],
    framework: Bytes
  ) {
    (self.request, self.framework) = (request, framework)
    self.chain = chain
    self.orders = orders
    isUniform = chain.areLayers.count { $0 } == 1
  }

  /// `choices`, of which nothing is computed again, with what must be for it to fit, and what it then
  /// holds; none where it does not fit. Where the front of time and memory is asked for, with what takes
  /// ever less memory. `again` says what computing a layer again takes.
  mutating func fitted(
    _ choices: PlanChoices, _ order: Int, again: ByRecomputation<Picoseconds>
  ) -> [(PlanChoices, Bytes)] {
    weigh(again)
    if request.keepsFront { return front(choices, order) }
    if request.objective == .memory { return least(choices, order).map { [$0] } ?? [] }
    guard let fitted = fewest(choices, order, limit: request.limit) else { return [] }
    return [fitted]
  }

  /// `choices`, of which nothing is computed again, with what must be for it to hold no more than `limit`; nil where
  /// it cannot.
  mutating func fewest(
    _ choices: PlanChoices, _ order: Int, again: ByRecomputation<Picoseconds>, limit: Bytes?
  ) -> (PlanChoices, Bytes)? {
    weigh(again)
    return fewest(choices, order, limit: limit)
  }

  private mutating func weigh(_ again: ByRecomputation<Picoseconds>) {
    // What takes least among several kinds depends on what they take.
    if recomputesCore && self.again != again { fewest = [:] }
    self.again = again
  }

  private mutating func front(_ choices: PlanChoices, _ order: Int) -> [(PlanChoices, Bytes)] {
    var found: [(PlanChoices, Bytes)] = []
    var limit = request.limit
    while let next = fewest(choices, order, limit: limit) {
      found.append(next)
      limit = next.1 - Bytes(1)
    }
    return found
  }

  // MARK: - Fewest and least

  private mutating func fewest(
    _ choices: PlanChoices, _ order: Int, limit: Bytes?
  ) -> (PlanChoices, Bytes)? {
    var stages = choices.stages
    var most = Bytes.zero
    for stage in stages.indices {
      guard let own = knownFewest(choices, order, stage, limit) else { return nil }
      stages[stage] = own.choice
      most = max(most, own.peak)
    }
    return (choices.recomputing(stages), most)
  }

  private mutating func knownFewest(
    _ choices: PlanChoices, _ order: Int, _ stage: Int, _ limit: Bytes?
  ) -> (choice: StageChoice, peak: Bytes)? {
    guard limit == request.limit else { return fewest(choices, order, stage, limit) }
    let own = choices.stages[stage].layers
    let key = Key(order: order, stage: stage, own: own, before: before(stage, choices))
    if let found = fewest[key] { return found }
    let made = fewest(choices, order, stage, limit)
    fewest[key] = .some(made)
    return made
  }

  private mutating func fewest(
    _ choices: PlanChoices, _ order: Int, _ stage: Int, _ limit: Bytes?
  ) -> (choice: StageChoice, peak: Bytes)? {
    let layers = choices.stages[stage].layers
    if let kind = pinned {
      let own = StageChoice(layers: layers, kind)
      let peak = peak(choices, order, stage, own)
      return limit.map { peak <= $0 } ?? true ? (own, peak) : nil
    }
    var best: (choice: StageChoice, peak: Bytes, cost: Int)?
    // Where the attention core alone may be computed again, every number of whole layers beside it that may take less.
    for full in recomputesCore ? Array(0...layers) : [0] {
      var most = layers - full
      if let best {
        let left = best.cost - ((again[.full] ?? .zero) * full).count
        if left < 0 { break }
        let each = (again[.selective] ?? .zero).count
        if each > 0 { most = min(most, left / each) }
      }
      let halved = halve(0...most) { count in
        let own = recomputesCore ? (full, count) : (count, 0)
        let choice = StageChoice(
          layers: layers, recomputeNone: layers - own.0 - own.1, recomputeSelective: own.1,
          recomputeFull: own.0)
        let peak = peak(choices, order, stage, choice)
        return limit.map { peak <= $0 } ?? true ? (choice, peak) : nil
      }
      guard let (choice, peak) = halved else { continue }
      let cost = cost(choice)
      if best.map({ (cost, peak.count) < ($0.cost, $0.peak.count) }) ?? true {
        best = (choice, peak, cost)
      }
    }
    return best.map { ($0.choice, $0.peak) }
  }

  /// The first of `range` that `fits`, trying the least, then halving.
  private func halve<Found>(_ range: ClosedRange<Int>, _ fits: (Int) -> Found?) -> Found? {
    if let found = fits(range.lowerBound) { return found }
    guard range.count > 1, var best = fits(range.upperBound) else { return nil }
    var (low, high) = (range.lowerBound + 1, range.upperBound)
    while low < high {
      let middle = (low + high) / 2
      if let found = fits(middle) {
        (high, best) = (middle, found)
      } else {
        low = middle + 1
      }
    }
    return best
  }

  /// The choices that hold as little as where each stage computes all of its layers again in one way, or none, and of
  /// these take least; nil where they do not fit.
  private mutating func least(_ choices: PlanChoices, _ order: Int) -> (PlanChoices, Bytes)? {
    let kinds =
      pinned.map { [$0] } ?? (recomputesCore ? [.none, .selective, .full] : [.none, .full])
    var most = Bytes.zero
    for stage in choices.stages.indices {
      let layers = choices.stages[stage].layers
      let peaks = kinds.map { peak(choices, order, stage, StageChoice(layers: layers, $0)) }
      most = max(most, peaks.min() ?? .zero)
    }
    if let limit = request.limit, most > limit { return nil }
    return fewest(choices, order, limit: most)
  }

  /// What all layers do alike, where that is pinned.
  private var pinned: Recomputation? {
    request.pins.recompute.flatMap { $0 == .mixed ? nil : $0 }
  }

  private var recomputesCore: Bool { request.training.workload.attention == .unfused }

  /// What computing layers again takes, to weigh one kind against another.
  private func cost(_ choice: StageChoice) -> Int {
    let whole = (again[.full] ?? .zero) * choice.recomputeFull
    return (whole + (again[.selective] ?? .zero) * choice.recomputeSelective).count
  }

  // MARK: - Peaks

  /// What `stage` holds at its fullest instant under `own`, with what frameworks allocate.
  private mutating func peak(
    _ choices: PlanChoices, _ order: Int, _ stage: Int, _ own: StageChoice
  ) -> Bytes {
    let key = Key(order: order, stage: stage, own: own, before: before(stage, choices))
    if let known = peaks[key] { return known }
    var choices = choices
    choices.stages[stage] = own
    guard let map = try? StageMap(choices) else { return Bytes(Int.max) }
    let model = MemoryModel(
      chain: chain, map: map, order: orders[order].settled,
      precision: request.training.workload.precision, only: stage)
    let peak = Bytes(model.peak(of: stage).bytes) + framework
    peaks[key] = peak
    return peak
  }

  private func before(_ stage: Int, _ choices: PlanChoices) -> Int {
    isUniform ? 0 : choices.stages[..<stage].reduce(0) { $0 + $1.layers }
  }
}

extension PlanChoices {
  /// These choices with `stages`, and the word for what they compute again together.
  func recomputing(_ stages: [StageChoice]) -> PlanChoices {
    var choices = self
    choices.stages = stages
    func all(_ count: (StageChoice) -> Int) -> Bool {
      stages.allSatisfy { count($0) == $0.layers }
    }
    choices.recompute =
      all { $0.recomputeNone }
      ? .none
      : all { $0.recomputeFull } ? .full : all { $0.recomputeSelective } ? .selective : .mixed
    return choices
  }
}
