import PlanIR

/// A candidate but for its placement, table, schedule, and layers of stages.
struct PlanNode {
  let choices: PlanChoices
  let shape: LayoutShape
  /// The number of its point.
  let point: Int
  /// Whether it gathers again, or loops over panels, what another keeps and gathers whole.
  var isLeaner = false

  /// The nodes that gather again, or loop over panels, what this one keeps and gathers whole; `groups` are
  /// all its blocks.
  func leaner(_ groups: [LoweredGroup], _ space: CandidateSpace) -> [PlanNode] {
    let pins = space.request.pins
    guard let layout = try? LayoutCatalog.layout(choices.layout) else { return [] }
    func options(_ pinned: GatherChoice?, _ matters: Bool) -> [GatherChoice] {
      pinned.map { [$0] } ?? (matters ? GatherChoice.allCases : [.saved])
    }
    let inputs = options(pins.gathersInputs, groups.contains(where: \.keepsGatheredInputs))
    let weights = options(pins.gathersWeights, groups.contains(where: \.keepsGatheredWeights))
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

/// A node's layers on its own mesh: what they take under each placement, and what they hold.
struct LoweredNode {
  let groups: [LoweredGroup]
  let network: NetworkTable
  /// By placement.
  private let layers: [PlacedLayers]
  private let memory: LayerMemory
  private let choices: PlanChoices

  /// What layers take under a placement.
  struct PlacedLayers {
    var bound = LayerBound()
    /// Once a step, of the layer that takes least.
    var once: Picoseconds?
  }

  init(
    _ node: PlanNode, _ request: SearchRequest, _ chains: inout ChainTable
  ) throws(ConstraintViolation) {
    let choices = node.choices
    let training = request.training
    groups = try chains.layers(try training.openContext(choices))
    let batch = choices.degree("data") * choices.microBatch
    if let split = groups.indivisibleSplit(of: batch) {
      throw ConstraintViolation.indivisible(.batch, size: batch, by: split, in: choices.mesh)
    }
    network = NetworkTable(request, mesh: choices.mesh)
    self.choices = choices
    var sums = SegmentSums(training, placements: network.costs.count)
    for (group, lowered) in zip(training.groups.layers, groups) {
      let units = batch / lowered.unit
      for (place, profile) in zip(group.places, lowered.profiles) {
        let computed = profile.computed(units, network.costs[0])
        sums.hold(
          computed, place.segment,
          isLast: place.block + 1 == training.segments[place.segment].blocks.count)
        for (index, cost) in network.costs.enumerated() {
          let routes = lowered.axes.map { cost.route(over: $0) }
          sums.add(profile.sending(computed, units, routes), place.segment, index)
        }
      }
    }
    layers = sums.layers
    memory = sums.least
  }

  /// What a step takes at least under the best placement, or holds; nil where it fits nowhere. Where
  /// `kept` says so, layers keep as much.
  func bound(
    _ request: SearchRequest, _ space: CandidateSpace, keeping kept: [Recomputation: Int]? = nil
  ) -> Int? {
    var best: Int?
    for placed in layers {
      var memory = memory
      if let kept { (memory.kept, memory.transient) = (kept, 0) }
      let (stages, count) = (choices.degree("pipeline"), request.training.model.layers)
      let clock = StageBound(
        stages: stages, microBatches: choices.microBatches, layers: count, placed.bound)
      let stored = memory.stored.program.count
      guard
        let step = request.bound(
          clock, placed.bound, memory, stored: stored, space)
      else { continue }
      let each = (placed.bound.least ?? PassBound()).all * choices.microBatches
      let busiest = (each + (placed.once ?? .zero)) * ((count + stages - 1) / stages)
      let bound = request.objective == .time ? max(step, busiest.count) : step
      best = min(best ?? bound, bound)
    }
    return best
  }
}

extension SearchRequest {
  /// What is asked for of a step at least: its time if every stage is to fit, or what the fullest holds;
  /// nil where the layers fit nowhere.
  func bound(
    _ clock: StageBound, _ layers: LayerBound, _ memory: LayerMemory, stored: Int,
    _ space: CandidateSpace
  ) -> Int? {
    if exhaustive { return 0 }
    let framework = cluster.device.framework
    var memory = memory
    memory.again = layers.again
    let fitting = FittingStages(
      stages: clock.stages, microBatches: clock.microBatches, layers: clock.layers,
      room: (limit ?? Bytes(Int.max / 2)) - framework - Bytes(memory.transient),
      passes: layers.least ?? PassBound(), memory: memory, storedBytes: stored,
      recompute: pins.recompute)
    let orders = space.orders(stages: clock.stages, microBatches: clock.microBatches)
    let interleaves = Set(orders.map { $0.interleave > 1 })
    guard objective == .time else {
      let least = interleaves.map { fitting.leastRoom(isInterleaved: $0) }.min() ?? 0
      let bound = Bytes(least + memory.transient) + framework
      return limit.map { bound > $0 } ?? false ? nil : bound.count
    }
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
  private var times: [[LayerTimes?]]
  private var once: [[Picoseconds]]
  private var memory: [LayerMemory?]

  init(_ training: TrainingGraph, placements: Int) {
    counts = training.segments.map(\.count)
    times = Array(
      repeating: Array(repeating: nil, count: counts.count), count: placements)
    once = Array(repeating: Array(repeating: .zero, count: counts.count), count: placements)
    memory = Array(repeating: nil, count: counts.count)
  }

  mutating func hold(_ block: PricedBlock, _ segment: Int, isLast: Bool) {
    var own = LayerMemory()
    if isLast { own.transient = block.inputGradient.peak.program.count }
    own.stored = block.stored
    own.kept[.none] = block.forward.change.program.count
    for (kind, lean) in block.lean { own.kept[kind] = lean.forward.change.program.count }
    var sum = memory[segment] ?? LayerMemory()
    sum.add(own)
    memory[segment] = sum
  }

  /// One layer of the segment that has least.
  var least: LayerMemory {
    let own = memory.compactMap(\.self)
    return own.dropFirst().reduce(own.first ?? LayerMemory()) { $0.least($1) }
  }

  mutating func add(_ block: PricedBlock, _ segment: Int, _ placement: Int) {
    let own = LayerTimes(
      passes: PassBound(
        forward: block.forward.known, inputGradient: block.inputGradient.known,
        weightGradient: block.weightGradient.known),
      again: block.lean.mapValues { $0.recompute.known })
    times[placement][segment] = (times[placement][segment] ?? LayerTimes()) + own
    once[placement][segment] += block.reduceGradients.known + block.optimize.known
  }

  var layers: [LoweredNode.PlacedLayers] {
    times.indices.map { placement in
      var placed = LoweredNode.PlacedLayers()
      for (segment, own) in times[placement].enumerated() {
        guard let own else { continue }
        placed.bound.add(own, layers: counts[segment])
        let once = once[placement][segment]
        placed.once = placed.once.map { min($0, once) } ?? once
      }
      return placed
    }
  }
}
