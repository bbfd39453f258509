import PlanIR

/// Whether layers keep what they gather, and gather operands whole.
struct GatherForm: Hashable {
  let inputs, weights: GatherChoice
  let matmul: MatmulSchedule

  init(_ choices: PlanChoices) {
    self.init(choices.gathersInputs, choices.gathersWeights, choices.matmul)
  }

  init(_ inputs: GatherChoice, _ weights: GatherChoice, _ matmul: MatmulSchedule) {
    (self.inputs, self.weights, self.matmul) = (inputs, weights, matmul)
  }

  /// `choices` in this form.
  func applied(to choices: PlanChoices) -> PlanChoices {
    var own = choices
    (own.gathersInputs, own.gathersWeights, own.matmul) = (inputs, weights, matmul)
    return own
  }
}

extension LayerPoint {
  /// What the layers take and hold at least where they gather and loop as `choices` say; nil where they cannot.
  mutating func bounds(
    gathering choices: PlanChoices, _ request: SearchRequest, _ chains: inout ChainTable
  ) -> Bounds? {
    let form = GatherForm(choices)
    let groups = gathered[form] ?? lowered(form, request.training, &chains)
    gathered[form] = .some(groups)
    guard let groups else { return nil }
    let size = choices.microBatch
    let own =
      knownGathered[form]?[size] ?? groups.passes(size, cost, request.training)
    knownGathered[form, default: [:]][size] = own
    return bounds(own, replicas: choices.degree("data"), sharing: true, request)
  }

  /// Whether layers of a node's `choices`, which gather nothing again, keep inputs, and weights, as they are gathered.
  func keepsGathered(_ node: PlanChoices) -> (inputs: Bool, weights: Bool) {
    let lowered = groups.map(\.lowered)
    let over = node.weightsOver.flatMap { choices.mesh.whole($0) }
    let gathersSharded = lowered.contains { group in
      group.profiles.indices.contains { block in
        group.readWeights(block).backward.contains { !over.subtracting($0.split).isEmpty }
      }
    }
    return (
      lowered.contains(where: \.keepsGatheredInputs),
      gathersSharded || lowered.contains(where: \.keepsGatheredWeights)
    )
  }

  /// What layers hold of a micro-batch of `size` at least where everything is gathered again.
  mutating func leanMemory(
    _ size: Int, _ request: SearchRequest, _ chains: inout ChainTable
  ) -> LayerMemory {
    if let found = knownLean[size] { return found }
    if lean == nil { lean = leanGroups(request, &chains) }
    var memory = Self.least(
      (lean ?? groups).passes(size, cost, request.training).map { $0?.memory })
    // Loops over panels may hold less.
    (memory.transient, memory.owed) = (0, 0)
    knownLean[size] = memory
    return memory
  }

  /// What the blocks of each class keep of a micro-batch of `size` at least, in all layers, where everything is
  /// gathered again.
  mutating func leanKept(
    _ size: Int, _ request: SearchRequest, _ chains: inout ChainTable
  ) -> [BlockClass: Int] {
    let groups = lean ?? leanGroups(request, &chains)
    lean = groups
    return classes(groups, size, request.training).mapValues(\.kept)
  }

  private func leanGroups(_ request: SearchRequest, _ chains: inout ChainTable) -> [LayerGroup] {
    var again = choices
    let lowered = groups.map(\.lowered)
    // Whatever is pinned: loops over panels keep none of what they save.
    if lowered.contains(where: \.keepsGatheredInputs) { again.gathersInputs = .again }
    if lowered.contains(where: \.keepsGatheredWeights) { again.gathersWeights = .again }
    if again == choices { return groups }
    return (try? costs.groups(blocks, again, &chains)) ?? groups
  }

  private func lowered(
    _ form: GatherForm, _ training: TrainingGraph, _ chains: inout ChainTable
  ) -> [LayerGroup]? {
    try? costs.groups(blocks, form.applied(to: choices), &chains)
  }

  /// Whether anything gathers again, or loops over panels, what others keep and gather whole, where no weights are
  /// sharded; found where it is asked for: embedding and head must be lowered.
  mutating func mayBeLeaner(_ space: CandidateSpace, _ chains: inout ChainTable) -> Bool {
    if let knownLeaner { return knownLeaner }
    let (pins, lowered) = (space.request.pins, groups.map(\.lowered))
    let ends = trunk.ends.keepsGathered(&chains)
    let inputs = ends.inputs || lowered.contains(where: \.keepsGatheredInputs)
    let weights = ends.weights || lowered.contains(where: \.keepsGatheredWeights)
    let layout = try? LayoutCatalog.layout(choices.layout)
    let loops = layout.map { space.matmuls($0, shape).count > 1 } ?? false
    let result =
      loops || (inputs && pins.gathersInputs == nil) || (weights && pins.gathersWeights == nil)
    knownLeaner = result
    return result
  }

  /// What embedding and head hold of a micro-batch of `size` at least, in any form that the pins leave: what is gathered
  /// again is held for a part of the time in which it is held where it is saved, so such forms alone are looked at.
  func leanEnds(_ size: Int, _ space: CandidateSpace, _ chains: inout ChainTable) -> EndsMemory {
    guard let layout = try? LayoutCatalog.layout(choices.layout) else { return EndsMemory() }
    let (pins, keeps) = (space.request.pins, trunk.ends.keepsGathered(&chains))
    let inputs = pins.gathersInputs ?? (keeps.inputs ? .again : .saved)
    let weights = pins.gathersWeights ?? (keeps.weights ? .again : .saved)
    var least: EndsMemory?
    for matmul in space.matmuls(layout, shape) {
      let own = trunk.ends.memory(size, GatherForm(inputs, weights, matmul), &chains)
      least = least?.least(own) ?? own
    }
    return least ?? EndsMemory()
  }
}

extension StageParts {
  /// What `ends`, embedding and head, take of `units` units of batch, by placement, of which `routes` are what
  /// groups meet there; where they are not shared, once a step too.
  static func all(
    _ ends: LoweredGroup, _ units: Int, _ training: TrainingGraph, _ cost: ClusterCost,
    _ routes: PlacedRoutes, isShared: Bool
  ) -> [StageParts] {
    var result = [StageParts](repeating: StageParts(), count: routes.count)
    let layers = LayerRange(training.areLayers)
    let places = training.groups.ends.places
    for (place, profile) in zip(places, ends.profiles) {
      let count = training.segments[place.segment].count
      let own = profile.passes(
        units, cost, routes, isLast: place == places.last, isShared: isShared)
      for index in result.indices {
        result[index].memory.add(own.memory, count: count, place.segment, layers)
        let once = own.once.isEmpty ? OnceBound() : own.once[index] * count
        result[index].add(own.times[index].passes * count, once: once, place.segment, layers)
      }
    }
    return result
  }
}

extension ChainTable {
  /// What stages of `choices` take beside layers at least, by placement: of all forms of the table that which takes
  /// least. Nothing where something cannot be lowered, or does not divide.
  mutating func parts(of choices: PlanChoices, _ network: NetworkTable) -> [StageParts] {
    let none = [StageParts](repeating: StageParts(), count: network.costs.count)
    let batch = choices.degree("data") * choices.microBatch
    var least: [StageParts]?
    for (_, ends) in (try? endForms(choices)) ?? [] {
      guard batch % ends.unit == 0 else { return none }
      let own = StageParts.all(
        ends, batch / ends.unit, training, network.costs[0], network.routes(ends),
        isShared: false)
      least = least.map { zip($0, own).map { $0.least($1) } } ?? own
    }
    guard var least, let boundaries = try? boundaries(choices) else { return none }
    let own = boundaryTimes(boundaries, batch, network)
    for index in least.indices {
      (least[index].arrival, least[index].departure) = (own[index].arrival, own[index].departure)
    }
    return least
  }

  /// What is least of each boundary where the chain may be cut, by placement.
  private func boundaryTimes(
    _ boundaries: [Boundaries], _ batch: Int, _ network: NetworkTable
  ) -> [StageParts] {
    let none = [StageParts](repeating: StageParts(), count: network.costs.count)
    var least: [StageParts]?
    let counts = training.segments.map(\.count)
    for group in LayerRange.cuts(boundaries, areLayers: training.areLayers, counts: counts) {
      guard let group, group.profiles.count == 2, batch % group.unit == 0 else { return none }
      let routes = network.routes(group)
      let own = group.profiles.map {
        $0.passes(batch / group.unit, network.costs[0], routes, isLast: false).times
      }
      let parts = zip(own[0], own[1]).map { departure, arrival in
        var parts = StageParts()
        (parts.arrival, parts.departure) = (arrival.passes, departure.passes)
        return parts
      }
      least = least.map { zip($0, parts).map { $0.least($1) } } ?? parts
    }
    return least ?? none
  }
}
