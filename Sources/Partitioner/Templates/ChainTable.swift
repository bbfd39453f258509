import PlanIR

/// A chain put together from templates, every body as a function of the batch: for plans whose parts do
/// not add up to a step, for stages run at once or layers are computed again.
struct ChainProfile {
  private let chain: ChainParts<Item>
  let groups: [LoweredGroup]

  /// A block or boundary, and the group it was lowered in.
  struct Item {
    let profile: BlockProfile
    let group: Int
  }

  init(_ chain: ChainParts<Item>, _ groups: [LoweredGroup]) {
    self.chain = chain
    self.groups = groups
  }

  /// Refuses a batch that its splits do not divide.
  func check(_ batch: Int, _ mesh: Mesh) throws(ConstraintViolation) {
    guard let split = groups.indivisibleSplit(of: batch) else { return }
    throw ConstraintViolation.indivisible(.batch, size: batch, by: split, in: mesh)
  }

  /// What it holds and computes of `batch` sequences, nothing sent.
  func computed(_ batch: Int, _ cost: ClusterCost) -> ChainParts<PricedBlock> {
    chain.map { $0.profile.computed(batch / groups[$0.group].unit, cost) }
  }

  /// The chain at `batch` sequences, of which `computed` is known.
  func priced(
    _ computed: ChainParts<PricedBlock>, _ batch: Int, _ cost: ClusterCost
  ) -> ChainParts<PricedBlock> {
    let routes = groups.map { group in group.axes.map { cost.route(over: $0) } }
    return computed.combined(with: chain) { block, item in
      let units = batch / groups[item.group].unit
      return item.profile.sending(
        block, units, routes[item.group], recomputesWhole: cost.recomputesWhole)
    }
  }
}

/// Chains put together once for all micro-batches, placements, schedules and numbers of recomputed layers.
struct ChainTable {
  let training: TrainingGraph
  private let groups: (ends: BlockGroup, layers: [BlockGroup])
  private(set) var templates: TemplateTable
  /// Embedding and head, and boundaries, by choices but for their micro-batches.
  private var knownEnds: [PlanChoices: Result<LoweredGroup, ConstraintViolation>] = [:]
  private var knownBoundaries: [PlanChoices: Result<[Boundaries], ConstraintViolation>] = [:]

  /// Those inside a segment and after it.
  typealias Boundaries = (inside: LoweredGroup?, after: LoweredGroup?)

  /// For plans whose layers may be computed again in the ways of `recomputing`.
  init(_ training: TrainingGraph, recomputing: Set<Recomputation>) {
    self.training = training
    groups = training.groups
    templates = TemplateTable(training, recomputing: recomputing)
  }

  /// Layers alone, as groups of their blocks.
  mutating func layers(_ context: LoweringContext) throws(ConstraintViolation) -> [LoweredGroup] {
    try lowered(groups.layers, context)
  }

  /// Some groups of blocks.
  mutating func lowered(
    _ groups: [BlockGroup], _ context: LoweringContext
  ) throws(ConstraintViolation) -> [LoweredGroup] {
    var result: [LoweredGroup] = []
    for group in groups { result.append(try templates.lowered(group, context)) }
    return result
  }

  /// The tables that a group is lowered from.
  mutating func tables(of group: BlockGroup, _ context: LoweringContext) -> [DimensionAxes] {
    templates.tables(of: group, context)
  }

  /// Embedding and head.
  mutating func ends(_ choices: PlanChoices) throws(ConstraintViolation) -> LoweredGroup {
    let key = choices.withoutMicroBatches
    if let known = knownEnds[key] { return try known.get() }
    let made = Result { () throws(ConstraintViolation) in
      try templates.lowered(groups.ends, choices)
    }
    knownEnds[key] = made
    return try made.get()
  }

  /// The chain of `choices`.
  mutating func chain(of choices: PlanChoices) throws(ConstraintViolation) -> ChainProfile {
    let context = try training.openContext(choices)
    let (layers, ends) = (try layers(context), try ends(choices))
    let boundaries = try boundaries(choices)
    return try chain(layers: layers, ends: ends, boundaries: boundaries)
  }

  /// `choices` with each form of the token table, and with its gradients added before they are
  /// scattered or not, where that makes a difference.
  mutating func tables(_ choices: PlanChoices) throws(ConstraintViolation) -> [PlanChoices] {
    // Over stages the two are on devices of their own.
    if choices.degree("pipeline") > 1 { return try training.tableForms(choices) }
    return try endForms(choices).map(\.choices)
  }

  /// The same, with embedding and head in each form.
  mutating func endForms(
    _ choices: PlanChoices
  ) throws(ConstraintViolation) -> [(choices: PlanChoices, ends: LoweredGroup)] {
    var result: [(choices: PlanChoices, ends: LoweredGroup)] = []
    for var choices in try training.tableForms(choices) {
      let ends = try ends(choices)
      result.append((choices, ends))
      guard choices.degree("pipeline") == 1, ends.addsTableGradients else { continue }
      choices.tableGradients = .apart
      result.append((choices, try self.ends(choices)))
    }
    return result
  }

  /// Boundaries of each segment, inside and after it; none without stages.
  mutating func boundaries(
    _ choices: PlanChoices
  ) throws(ConstraintViolation) -> [Boundaries] {
    guard choices.mesh.pipeline != nil else { return [] }
    let key = choices.withoutMicroBatches
    if let known = knownBoundaries[key] { return try known.get() }
    let made = Result { () throws(ConstraintViolation) in
      try boundaries(try training.openContext(choices))
    }
    knownBoundaries[key] = made
    return try made.get()
  }

  private mutating func boundaries(
    _ context: LoweringContext
  ) throws(ConstraintViolation) -> [Boundaries] {
    var result: [Boundaries] = []
    for index in training.segments.indices {
      let isLast = index + 1 == training.segments.count
      result.append(
        (
          inside: try templates.boundary(before: .init(segment: index, block: 0), context),
          after: isLast
            ? nil
            : try templates.boundary(before: .init(segment: index + 1, block: 0), context)
        ))
    }
    return result
  }

  /// A chain of lowered groups, in the order in which ``TrainingGraph/groups`` has them.
  func chain(
    layers: [LoweredGroup], ends: LoweredGroup, boundaries: [Boundaries]
  ) throws(ConstraintViolation) -> ChainProfile {
    var all: [LoweredGroup] = []
    func add(_ group: LoweredGroup) -> Int {
      all.append(group)
      return all.count - 1
    }
    func boundary(_ group: LoweredGroup?) -> ChainParts<ChainProfile.Item>.Boundary? {
      guard let group, group.profiles.count == 2 else { return nil }
      let number = add(group)
      return .init(
        departure: .init(profile: group.profiles[0], group: number),
        arrival: .init(profile: group.profiles[1], group: number))
    }
    var places: [BlockGroup.Place: ChainProfile.Item] = [:]
    for (group, lowered) in zip(groups.layers + [groups.ends], layers + [ends]) {
      let number = add(lowered)
      for (place, profile) in zip(group.places, lowered.profiles) {
        places[place] = .init(profile: profile, group: number)
      }
    }
    let blocks = training.segments.enumerated().map { index, segment in
      segment.blocks.indices.compactMap { places[.init(segment: index, block: $0)] }
    }
    let parts = ChainParts(
      counts: training.segments.map(\.count), blocks: blocks,
      joints: blocks.map { $0.map { _ in nil } }, exits: blocks.map { _ in nil },
      boundaries: boundaries.map { (boundary($0.inside), boundary($0.after)) },
      areLayers: training.areLayers)
    return ChainProfile(parts, all)
  }
}

extension PlanChoices {
  fileprivate var withoutMicroBatches: PlanChoices {
    var choices = self
    (choices.microBatch, choices.microBatches) = (0, 0)
    return choices
  }
}

extension [LoweredGroup] {
  /// A way in which the batch is split that does not divide `batch`.
  func indivisibleSplit(of batch: Int) -> [AxisReference]? {
    for group in self where batch % group.unit != 0 {
      return group.batchSplits.first { batch % $0.groupSize != 0 }
    }
    return nil
  }
}
