import PlanIR

/// A candidate but for its placement, table, schedule, and layers of stages.
final class PlanNode {
  let choices: PlanChoices
  let shape: LayoutShape
  /// The number of its point.
  let point: Int
  /// Whether it gathers again, or loops over panels, what another keeps and gathers whole.
  let isLeaner: Bool
  /// What bounds it, and what is leaner, before it is lowered; nil where nothing is known.
  let bound: NodeBound?
  /// Whether what is leaner waits beside it, not to be found when it is lowered or left out.
  var isApart = false

  init(
    choices: PlanChoices, shape: LayoutShape, point: Int, isLeaner: Bool = false,
    bound: NodeBound? = nil
  ) {
    (self.choices, self.shape, self.point) = (choices, shape, point)
    (self.isLeaner, self.bound) = (isLeaner, bound)
  }

  /// The nodes that gather again, or loop over panels, what this one keeps and gathers whole; `keeps` says whether its
  /// blocks keep inputs, and weights, as they are gathered.
  func leaner(
    _ keeps: (inputs: Bool, weights: Bool), _ space: CandidateSpace
  ) -> [PlanNode] {
    let pins = space.request.pins
    guard let layout = try? LayoutCatalog.layout(choices.layout) else { return [] }
    func options(_ pinned: GatherChoice?, _ matters: Bool) -> [GatherChoice] {
      pinned.map { [$0] } ?? (matters ? GatherChoice.allCases : [.saved])
    }
    let inputs = options(pins.gathersInputs, keeps.inputs)
    let weights = options(pins.gathersWeights, keeps.weights)
    return space.matmuls(layout, shape).flatMap { matmul in
      inputs.flatMap { inputs in
        weights.compactMap { weights -> PlanNode? in
          var other = choices
          other.matmul = matmul
          (other.gathersInputs, other.gathersWeights) = (inputs, weights)
          return other == choices
            ? nil : PlanNode(choices: other, shape: shape, point: point, isLeaner: true)
        }
      }
    }
  }
}

/// What a node's layers take at least under some placement, before they are lowered.
struct NodeBound {
  /// Where the axes of its point lie in one way or another over nodes.
  let layers: [(layer: LayerBound, clock: StageBound)]
  /// What one layer holds, parameters but as they are stored.
  let memory: LayerMemory
  /// Bytes of one layer's parameters at least.
  let stored: Int
  /// What the ends hold at least.
  let beside: EndsBytes
  /// What the framework allocates.
  let framework: Bytes
  /// Whether schedules are interleaved: those that may be.
  let interleaves: [Bool]

  /// What is asked for of a step at least; nil where the layers fit nowhere.
  func bound(_ request: SearchRequest) -> Int? { bound(request, memory, beside) }

  /// The same of what is leaner, whose layers hold `memory`, and whose head `head`.
  func bound(_ request: SearchRequest, leaner memory: LayerMemory, head: Int) -> Int? {
    bound(request, memory, beside.with(head: head))
  }

  private func bound(
    _ request: SearchRequest, _ memory: LayerMemory, _ beside: EndsBytes
  ) -> Int? {
    // What is held does not depend on how long layers take.
    let placed = request.objective == .time ? layers[...] : layers.prefix(1)
    return placed.compactMap {
      request.bound(
        $0.clock, $0.layer, memory, stored: stored, beside: beside, framework, interleaves)
    }.min()
  }

  /// Whether a step takes longer than any may, where memory is asked for: bounds do not say so then.
  func isTooLong(_ request: SearchRequest) -> Bool {
    request.objective == .memory && !request.exhaustive
      && layers.allSatisfy { $0.clock.step(interleaves) > Picoseconds.longestStep.count }
  }

  /// The same whatever they hold.
  func least(_ request: SearchRequest) -> Int {
    guard request.objective == .time else { return 0 }
    return layers.map { $0.clock.step(interleaves) }.min() ?? 0
  }
}

/// A node's layers on its own mesh: what they take under each placement, and what they hold.
final class LoweredNode {
  let groups: [LoweredGroup]
  let network: NetworkTable
  /// By placement.
  private let layers: [PlacedLayers]
  private let memory: LayerMemory
  let node: PlanNode
  /// The placements under which it may fit, those bounded least first, each with what a step takes at least,
  /// or holds.
  private(set) var ranked: [(placement: Int, bound: Int)] = []
  private let stages: Int
  /// What the framework allocates.
  private let framework: Bytes
  /// Whether schedules are interleaved: those that may be.
  private let interleaves: [Bool]
  /// What stages take beside layers at least, by placement.
  private let parts: [StageParts]
  /// Its chains, one for each form of the table; put together where asked for.
  private var knownChains: [StageChain]?

  /// What layers take under a placement.
  struct PlacedLayers {
    var bound = LayerBound()
    /// Once a step, of the layer that takes least.
    var once: OnceBound?
  }

  /// `groups` are the node's layers, `network` the costs of its mesh, `parts` what stages take beside at least,
  /// by placement.
  init(
    _ node: PlanNode, _ groups: [LoweredGroup], _ network: NetworkTable, _ request: SearchRequest,
    _ space: CandidateSpace, _ parts: [StageParts]
  ) throws(ConstraintViolation) {
    self.node = node
    let choices = node.choices
    let training = request.training
    stages = choices.degree("pipeline")
    interleaves = space.interleaves(stages: stages, microBatches: choices.microBatches)
    (self.groups, self.network, self.parts) = (groups, network, parts)
    let batch = choices.degree("data") * choices.microBatch
    if let split = groups.indivisibleSplit(of: batch) {
      throw ConstraintViolation.indivisible(.batch, size: batch, by: split, in: choices.mesh)
    }
    var sums = SegmentSums(training)
    for (group, lowered) in zip(training.groups.layers, groups) {
      let units = batch / lowered.unit
      let routes = network.routes(lowered)
      for (place, profile) in zip(group.places, lowered.profiles) {
        let isLast = place.block + 1 == training.segments[place.segment].blocks.count
        sums.add(
          profile.passes(units, network.costs[0], routes, isLast: isLast), place.segment)
      }
    }
    layers = sums.layers(network.costs.count)
    memory = sums.least
    framework =
      request.cluster.device.framework(
        training, choices.mesh, microBatches: choices.microBatches)
      + choices.exchangeBuffers(
        memory.stored.weights, training.workload.precision, request.cluster.device)
  }

  private var choices: PlanChoices { node.choices }

  /// Its decisions under a placement.
  func path(_ placement: Int) -> [String] {
    CertificatePath.node(choices) + [CertificatePath.placement(network.placements[placement])]
  }

  var placements: Range<Int> { layers.indices }

  /// Ranks its placements, none of which takes less than `least`; where one cannot be kept, it does not ask
  /// whether it fits.
  func rank(_ request: SearchRequest, atLeast least: Int, _ ranking: Ranking) {
    let bounds = placements.compactMap { placement -> (Int, Int)? in
      let plain = clock(request, placement).step(interleaves)
      if request.objective == .time && ranking.isBeaten(plain) {
        return (placement, max(least, plain))
      }
      return bound(request, placement: placement, memory, parts[placement].memory.bytes)
        .map { (placement, max(least, $0)) }
    }
    ranked = bounds.sorted { ($0.1, $0.0) < ($1.1, $1.0) }
  }

  private func clock(_ request: SearchRequest, _ placement: Int) -> StageBound {
    StageBound(
      stages: stages, microBatches: choices.microBatches, layers: request.training.layers,
      layers[placement].bound, once: layers[placement].once ?? OnceBound(), parts[placement],
      interleaves: interleaves, cores: SharedCores(contention: network.costs[placement].contention))
  }

  /// Its chains, one for each form of the table.
  func chains(
    _ request: SearchRequest, _ space: CandidateSpace, _ table: inout ChainTable
  ) throws(ConstraintViolation) -> [StageChain] {
    if let knownChains { return knownChains }
    var made: [StageChain] = []
    for choices in try table.tables(choices) {
      made.append(try StageChain(choices, self, request, space, &table))
    }
    knownChains = made
    return made
  }

  /// What a step takes at least under any placement, where layers keep `kept` and the head holds `head`; nil where it
  /// fits nowhere.
  func bound(_ request: SearchRequest, keeping kept: ByRecomputation<Int>, head: Int) -> Int? {
    var memory = memory
    (memory.kept, memory.transient, memory.owed) = (kept, 0, 0)
    return placements.compactMap {
      bound(request, placement: $0, memory, parts[$0].memory.bytes.with(head: head))
    }.min()
  }

  /// What a step takes at least under the placement ranked `rank`, or holds; nil where it does not fit.
  func bound(_ request: SearchRequest, rank: Int) -> Int? {
    let placement = ranked[rank].placement
    return bound(request, placement: placement, memory, parts[placement].memory.bytes)
  }

  private func bound(
    _ request: SearchRequest, placement: Int, _ memory: LayerMemory, _ beside: EndsBytes
  ) -> Int? {
    request.bound(
      clock(request, placement), layers[placement].bound, memory,
      stored: memory.stored.program.count, beside: beside, framework, interleaves)
  }
}

extension SearchRequest {
  /// What is asked for of a step at least: its time if every stage is to fit, or what the fullest holds;
  /// nil where the layers fit nowhere. `interleaves` says whether schedules are interleaved: those that may be.
  func bound(
    _ clock: StageBound, _ layers: LayerBound, _ memory: LayerMemory, stored: Int,
    beside: EndsBytes, _ framework: Bytes, _ interleaves: [Bool]
  ) -> Int? {
    if exhaustive { return 0 }
    let held = HeldStages(
      stages: clock.stages, microBatches: clock.microBatches, layers: clock.layers,
      beside: beside, memory: memory, storedBytes: stored, recompute: pins.recompute)
    guard objective == .time else {
      let least = interleaves.map { held.leastBytes(isInterleaved: $0) }.min() ?? 0
      let bound = Bytes(least) + framework
      return limit.map { bound > $0 } ?? false ? nil : bound.count
    }
    let fitting = FittingStages(
      held, room: (limit ?? Bytes(Int.max / 2)) - framework, passes: layers.least ?? PassBound(),
      again: layers.again)
    return interleaves.compactMap { isInterleaved in
      let busiest =
        limit == nil
        ? clock.busiest : fitting.busiest(atLeast: clock.busiest, isInterleaved: isInterleaved)
      return busiest.map { clock.step(busiest: $0, isInterleaved: isInterleaved) }
    }.min()
  }
}

/// Sums over the blocks of each segment of layers.
private struct SegmentSums {
  private let counts: [Int]
  private var known: [BlockPasses?]

  init(_ training: TrainingGraph) {
    counts = training.segments.map(\.count)
    known = Array(repeating: nil, count: counts.count)
  }

  mutating func add(_ block: BlockPasses, _ segment: Int) {
    known[segment] = known[segment].map { $0 + block } ?? block
  }

  /// One layer of the segment that has least.
  var least: LayerMemory {
    let own = known.compactMap { $0?.memory }
    return own.dropFirst().reduce(own.first ?? LayerMemory()) { $0.least($1) }
  }

  /// By placement.
  func layers(_ placements: Int) -> [LoweredNode.PlacedLayers] {
    (0..<placements).map { placement in
      var placed = LoweredNode.PlacedLayers()
      for (own, count) in zip(known, counts) {
        guard let own else { continue }
        placed.bound.add(own.times[placement], layers: count)
        let once = own.once[placement]
        placed.once = placed.once.map { $0.least(once) } ?? once
      }
      return placed
    }
  }
}
