import PlanIR

/// Finds the best plans by best-first branch and bound: what is least bounded is looked at next, and what
/// is bounded by more than the plans kept is left out.
///
/// A point of layers (a tensor mesh and context, in one form) bounds all ways to spread it over replicas
/// and stages; each of these all micro-batches; a node (what is gathered, sharded and looped over) is lowered
/// and bounds its placements; ``StageSearch`` bounds its schedules and cuts, and prices them.
struct PlanSearch {
  let request: SearchRequest
  let space: CandidateSpace
  let splits: [DeviceSplit]
  var chains: ChainTable
  var trunks = TrunkTable()
  var points: [LayerPoint] = []
  var heap = BoundHeap<Item>()
  var counts: CandidateCounts
  private(set) var traces = TraceTable()
  private var networks: [Mesh: NetworkTable] = [:]
  var closest = ClosestReplicas()
  var ranking: Ranking
  /// What became of all candidates, where that is asked for.
  var certificate: Certificate?

  /// What waits to be looked at.
  enum Item {
    /// A point's layers over any replicas and stages.
    case point(Int)
    /// Over some, in any micro-batch of a size that divides.
    case spread(point: Int, DeviceSplit, [SizeBound])
    /// In micro-batches of one size; bounded with what replicas exchange where they lie, or not.
    case batch(point: Int, DeviceSplit, microBatch: Int, isPlaced: Bool)
    /// A node that is not lowered.
    case open(PlanNode)
    /// What gathers again, or loops over panels, what a node keeps and gathers whole.
    case leaner(PlanNode, isBounded: Bool)
    /// A node under its placements from the one ranked `next` on.
    case lowered(LoweredNode, next: Int)
    /// Schedules and cuts from the one numbered `next` on.
    case stages(StageSearch, next: Int)
    case fitted(StageSearch, StageSearch.Fitted)
    /// Of a front: a node under the placement of a rank alone.
    case placed(LoweredNode, rank: Int)
    /// Of a front: a schedule and a cut that may hold a limit.
    case limited(StageSearch, StageSearch.Candidate, limit: Bytes?)
  }

  /// A size of micro-batches, and what they take at least.
  typealias SizeBound = (size: Int, bound: Int)

  init(_ request: SearchRequest, _ space: CandidateSpace, _ splits: [DeviceSplit]) {
    self.request = request
    self.space = space
    self.splits = splits
    let training = request.training
    let unfused: Set<Recomputation> =
      training.workload.attention == .unfused ? [.selective] : []
    chains = ChainTable(training, recomputing: unfused.union([.full]))
    counts = CandidateCounts(request, space)
    ranking = Ranking(request)
    certificate = request.certifies ? Certificate() : nil
  }

  var training: TrainingGraph { request.training }

  /// The points without a context axis, for mixtures.
  mutating func wholePoints() -> [LayerPoint] {
    for index in points.indices where points[index].context == 1 {
      points[index].complete(request, &chains)
    }
    return points.filter { $0.context == 1 && $0.refusal == nil }
  }

  mutating func run() {
    findPoints()
    var seen = 0
    while let (item, bound) = heap.pop() {
      if !isBoundAnew(item) {
        seen += 1
        if ranking.isAnswered(request.probe, seen: seen) { return }
        if seen % SearchProgress.interval == 0 { tell(seen, bound) }
      }
      if ranking.isBeaten(bound) {
        if certificate != nil { certify(item, bound) }
        ranking.note(tooLong: bound)
        prune(item)
        reviveLeaner(item)
        continue
      }
      if tighten(item, bound) { continue }
      switch item {
      case .point(let point): open(point, atLeast: bound)
      case .spread(let point, let split, let sizes): spread(point, split, sizes)
      case .batch(let point, let split, let size, isPlaced: false):
        place(point, split, size, atLeast: bound)
      case .batch(let point, let split, let size, isPlaced: true):
        nodes(point, split, size, atLeast: bound)
      case .open(let node): lower(node, bound: bound)
      case .leaner(let node, isBounded: false): boundLeaner(node, atLeast: bound)
      case .leaner(let node, isBounded: true): leaner(node, bound: bound)
      case .lowered(let node, let next):
        push(node, next + 1)
        open(node, next, atLeast: bound)
      case .placed(let node, let rank): open(node, rank, atLeast: bound)
      case .stages(let search, let next) where search.mustGrow(before: next):
        grow(search, asked(atLeast: bound), from: next)
        push(search, 0)
      case .stages(let search, let next):
        push(search, next + 1)
        cut(search, search.candidates[next], atLeast: bound)
      case .limited(let search, let candidate, let limit):
        fit(search, candidate, limit, atLeast: bound)
      case .fitted(let search, let fitted):
        price(search, fitted)
        lean(search, fitted, atLeast: bound)
      }
    }
  }

  /// Whether an item is bounded once more before it is looked into.
  private func isBoundAnew(_ item: Item) -> Bool {
    if case .batch(_, _, _, isPlaced: false) = item { true } else { false }
  }

  private func tell(_ seen: Int, _ bound: Int) {
    let isTime = request.objective == .time && !request.exhaustive && !request.keepsFront
    request.progress?(
      SearchProgress(
        seen: seen, waiting: heap.count, bound: isTime ? Picoseconds(bound) : nil,
        best: ranking.best.first?.step))
  }

  // MARK: - Micro-batches and nodes

  /// Counts what does not divide in micro-batches of `sizes`.
  mutating func refuse(_ point: Int, _ split: DeviceSplit, sizes: [Int]) {
    for size in sizes {
      let choices = points[point].choices
      certify(
        CertificatePath.spread(choices, split) + [CertificatePath.microBatch(size)], nil)
      ranking.refuse(
        points[point].indivisible(size, split),
        count: counts.of(split, choices, microBatches: [size]))
    }
  }

  /// The nodes of a point, with what they take at least if they are to fit.
  private mutating func nodes(
    _ point: Int, _ split: DeviceSplit, _ microBatch: Int, atLeast least: Int
  ) {
    var choices = points[point].choices(on: split)
    if split.stages > 1 && training.isTied { choices.tableGradients = .apart }
    choices.microBatch = microBatch
    choices.microBatches = training.workload.globalBatch / split.data / microBatch
    let bounds = points[point].bounds(
      microBatch, replicas: split.data, sharing: true, request)
    let asked = asked(atLeast: least)
    let interleaves = space.interleaves(
      stages: split.stages, microBatches: choices.microBatches)
    let parts = points[point].trunk.ends.parts(microBatch, &chains)
    for shard in space.shards(choices) {
      (choices.weightsOver, choices.zero) = (shard.over, shard.zero)
      let gathered = points[point].gathered(choices, training)
      let own = bound(choices, bounds, parts, interleaves, gathered: gathered)
      let node = PlanNode(
        choices: choices, shape: points[point].shape, point: point, bound: own)
      if own.isTooLong(request) {
        // What is leaner takes no less; certificates are of time alone.
        ranking.refuse(.tooLong, count: counts.of(node))
      } else if let bound = own.bound(asked) {
        heap.push(.open(node), bound: bound)
        pushLeaner(beside: node, own, asked, below: bound)
      } else {
        certify(CertificatePath.node(choices), nil)
        leaveOut(counts.of(node), asked)
        pushLeaner(than: node, own, asked)
      }
    }
  }

  /// What bounds a node of `choices` whose layers are bounded by `bounds`, each of which keeps `gathered` bytes of sharded
  /// weights as they are gathered.
  func bound(
    _ choices: PlanChoices, _ bounds: LayerPoint.Bounds, _ parts: StageParts,
    _ interleaves: [Bool], gathered: Int
  ) -> NodeBound {
    let weights = ShardedWeights(choices)
    let layers = bounds.layers.map { blocks in
      let (layer, once) = blocks.bound(
        sharding: weights, gathersAgain: choices.gathersWeights == .again)
      let clock = StageBound(
        stages: choices.degree("pipeline"), microBatches: choices.microBatches,
        layers: training.layers, layer, once: once, parts, interleaves: interleaves,
        cores: space.cores)
      return (layer: layer, clock: clock)
    }
    return NodeBound(
      layers: layers, memory: bounds.memory.keeping(gathered),
      stored: bounds.memory.stored.bytes(sharding: choices),
      beside: parts.memory.bytes(sharding: choices),
      framework: request.cluster.device.framework(
        training, choices.mesh, microBatches: choices.microBatches)
        + choices.exchangeBuffers(
          bounds.memory.stored.leastWeights(sharding: choices), training.workload.precision,
          request.cluster.device), interleaves: interleaves)
  }

  private mutating func lower(_ node: PlanNode, bound: Int) {
    do throws(ConstraintViolation) {
      let (asked, space) = (asked(atLeast: bound), space)
      let groups = try points[node.point].layers(node.choices, training, &chains)
      let network = network(node.choices.mesh)
      let parts = chains.parts(of: node.choices, network)
      let lowered = try LoweredNode(node, groups, network, request, space, parts)
      lowered.rank(asked, atLeast: bound, ranking)
      let over = lowered.placements.count - lowered.ranked.count
      leaveOut(each(lowered) * over, asked)
      for place in lowered.placements
      where !lowered.ranked.contains(where: { $0.placement == place }) {
        certify(lowered.path(place), nil)
      }
      push(lowered, 0)
      // What is leaner may take less than what of this node holds as little as is asked.
      guard !node.isApart else { return }
      let asksLeaner = self.asked(atLeast: node.bound?.least(request) ?? 0)
      pushLeaner(node) { lowered.bound(asksLeaner, keeping: $0.kept, head: $1) }
    } catch {
      certify(CertificatePath.node(node.choices), nil)
      ranking.refuse(error, count: counts.of(node))
    }
  }

  /// The costs of `mesh` under each of its placements.
  private mutating func network(_ mesh: Mesh) -> NetworkTable {
    if let known = networks[mesh] { return known }
    let made = NetworkTable(request, mesh: mesh)
    networks[mesh] = made
    return made
  }

  mutating func push(_ node: LoweredNode, _ next: Int) {
    guard next < node.ranked.count else { return }
    heap.push(.lowered(node, next: next), bound: node.ranked[next].bound)
  }

  /// Finds the schedules and cuts of a node under the placement of a rank.
  private mutating func open(_ node: LoweredNode, _ next: Int, atLeast least: Int) {
    do throws(ConstraintViolation) {
      let asked = asked(atLeast: least)
      let placement = node.ranked[next].placement
      for chain in try node.chains(request, space, &chains) {
        if leaveOut(chain, placement, asked) { continue }
        let search = StageSearch(chain, placement: placement)
        grow(search, asked, from: 0)
        if !findsFront, ranking.best.count < request.keep, let first = search.candidates.first {
          // Something to hold others against.
          for fitted in fitted(search, first) { price(search, fitted) }
          push(search, 1)
        } else {
          push(search, 0)
        }
      }
    } catch {
      certify(node.path(node.ranked[next].placement), nil)
      ranking.refuse(error, count: each(node))
    }
  }

  /// Leaves a chain out that holds too much under every schedule and cut; says so. Asked where little else bounds what
  /// is held: it takes a look at all of them.
  private mutating func leaveOut(
    _ chain: StageChain, _ placement: Int, _ asked: SearchRequest
  ) -> Bool {
    guard findsFront || request.objective == .memory else { return false }
    if !chain.mayFit(asked.limit) {
      certify(chain.path(placement) + [Certificate.others], nil)
      leaveOut(chain.count, asked)
    } else if ranking.isBeaten(memory: chain.least) {
      ranking.prune(count: chain.count)
    } else {
      return false
    }
    return true
  }

  /// What fits of a schedule and a cut.
  private mutating func fitted(
    _ search: StageSearch, _ candidate: StageSearch.Candidate
  ) -> [StageSearch.Fitted] {
    let fitted = search.fitted(candidate, &ranking)
    if fitted.isEmpty { certify(search.path(candidate), nil) }
    return fitted
  }

  mutating func price(_ search: StageSearch, _ fitted: StageSearch.Fitted) {
    let step = search.price(fitted, &traces, &ranking)
    certify(search.path(fitted), step?.count)
  }

  /// Looks at the next cuts of a search whose candidates before the one numbered `next` are done.
  private mutating func grow(_ search: StageSearch, _ asked: SearchRequest, from next: Int) {
    search.grow(ranking, limit: asked.limit, from: next)
    certifyRest(of: search)
    ranking.prune(count: search.left)
    leaveOut(search.overMemory, asked)
  }

  mutating func push(_ search: StageSearch, _ next: Int) {
    guard let bound = search.bound(from: next) else { return }
    heap.push(.stages(search, next: next), bound: bound)
  }

  /// Finds what of a schedule and a cut fits, and bounds that.
  private mutating func cut(
    _ search: StageSearch, _ candidate: StageSearch.Candidate, atLeast least: Int
  ) {
    if findsFront { return fit(search, candidate, request.limit, atLeast: least) }
    for fitted in fitted(search, candidate) {
      let bound = request.objective == .time ? fitted.bound : fitted.memory.count
      if ranking.isBeaten(bound) || ranking.isBeaten(fitted.bound, memory: fitted.memory) {
        certify(search.path(fitted), fitted.bound)
        ranking.note(tooLong: fitted.bound)
        ranking.prune(count: 1)
      } else if request.exhaustive {
        price(search, fitted)
      } else {
        heap.push(.fitted(search, fitted), bound: bound)
      }
    }
  }
}
