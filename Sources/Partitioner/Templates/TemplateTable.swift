import PlanIR

/// Groups of blocks, and boundaries between stages, lowered once for all candidates whose tables are
/// alike.
struct TemplateTable {
  let training: TrainingGraph
  /// The ways in which layers may be computed again.
  private let recomputing: Set<Recomputation>
  private var known: [Key: Result<GroupTemplate, ConstraintViolation>] = [:]

  /// What a template depends on beside the model and the workload.
  private struct Key: Hashable {
    let subject: Subject
    let signature: TableSignature
    var choices: TemplateChoices
    let shardedOver: [Int]
  }

  /// What is lowered.
  private enum Subject: Hashable {
    case group(BlockGroup)
    /// The boundary before a block.
    case boundary(BlockGroup.Place)
  }

  private let isAnnotated: Bool
  /// What groups read of a layout.
  private var uses: [BlockGroup: TableUse] = [:]

  init(_ training: TrainingGraph, recomputing: Set<Recomputation> = []) {
    self.training = training
    self.recomputing = recomputing
    isAnnotated = training.isAnnotated
  }

  /// `group` under `choices`, whose micro-batches do not matter.
  mutating func lowered(
    _ group: BlockGroup, _ choices: PlanChoices
  ) throws(ConstraintViolation) -> LoweredGroup {
    try lowered(group, try training.openContext(choices))
  }

  /// `group` in `context`, whose batch every split divides.
  mutating func lowered(
    _ group: BlockGroup, _ context: LoweringContext
  ) throws(ConstraintViolation) -> LoweredGroup {
    let use = use(of: group)
    let chosen = TemplateChoices(
      context.choices, use.classes.map(\.blockClass), isAnnotated: isAnnotated)
    return try lowered(
      .group(group), context.tables(use), chosen, weightsOver: context.choices.weightsOver,
      hasStages: chosen.isStaged, context)
  }

  /// The tables that `group` is lowered from.
  mutating func tables(of group: BlockGroup, _ context: LoweringContext) -> [DimensionAxes] {
    context.tables(use(of: group))
  }

  private mutating func use(of group: BlockGroup) -> TableUse {
    if let known = uses[group] { return known }
    let made = TableUse(training, group)
    uses[group] = made
    return made
  }

  /// What leaves a stage before the block at `place`, and what arrives on the next.
  mutating func boundary(
    before place: BlockGroup.Place, _ context: LoweringContext
  ) throws(ConstraintViolation) -> LoweredGroup {
    let blockClass = training.block(place).graph.blockClass
    var choices = context.choices
    // It has no parameters, and gathers nothing that is kept.
    (choices.gathersInputs, choices.gathersWeights, choices.zero) = (.saved, .saved, 0)
    let chosen = TemplateChoices(choices, [], isAnnotated: isAnnotated)
    return try lowered(
      .boundary(place), [context.storage(of: .stream, in: blockClass)], chosen, weightsOver: [],
      hasStages: true, context)
  }

  private mutating func lowered(
    _ subject: Subject, _ tables: [DimensionAxes], _ chosen: TemplateChoices,
    weightsOver: [String], hasStages: Bool, _ context: LoweringContext
  ) throws(ConstraintViolation) -> LoweredGroup {
    let mesh = context.mesh
    let used = tables.flatMap { table in table.dimensions.flatMap { table[$0] } }
    let parts = AxisParts(mesh, usedAs: used, hasStages: hasStages)
    let weights = weightsOver.flatMap { mesh.whole($0) }
    let key = Key(
      subject: subject, signature: TableSignature(tables, parts), choices: chosen,
      shardedOver: parts.places(of: weights))
    let template = try template(key, context, parts)
    try template.checkDivisibility(parts, context.sizes, mesh)
    return LoweredGroup(template, parts, vocabulary: context.sizes[.vocabulary])
  }

  private mutating func template(
    _ key: Key, _ context: LoweringContext, _ parts: AxisParts
  ) throws(ConstraintViolation) -> GroupTemplate {
    if let found = known[key] { return try found.get() }
    if let same = keepingAll(key) {
      known[key] = same
      return try same.get()
    }
    let made: Result<GroupTemplate, ConstraintViolation>
    do throws(ConstraintViolation) {
      made = .success(
        try GroupTemplate(context, parts) { context throws(ConstraintViolation) in
          switch key.subject {
          case .group(let group): try training.templated(group, context, recomputing)
          case .boundary(let place): try training.templatedBoundary(before: place, context)
          }
        })
    } catch {
      made = .failure(error)
    }
    known[key] = made
    return try made.get()
  }

  /// A template that is known to keep all that it gathers, where it keeps nothing of what `key` gathers again:
  /// the same.
  private func keepingAll(_ key: Key) -> Result<GroupTemplate, ConstraintViolation>? {
    var saved = key
    (saved.choices.gathersInputs, saved.choices.gathersWeights) = (.saved, .saved)
    guard saved != key, let found = known[saved], let template = try? found.get(),
      key.choices.gathersInputs == .saved || !template.keepsGatheredInputs,
      key.choices.gathersWeights == .saved || !template.keepsGatheredWeights
    else { return nil }
    return found
  }
}

/// The choices that decide how a group is lowered, where its tables are known.
private struct TemplateChoices: Hashable {
  var gathersInputs, gathersWeights: GatherChoice
  /// The classes whose products loop over panels: tables may be those of a layout that has none.
  let looping: [BlockClass]
  /// Of loops over panels, and of rings, the mesh: they are as long as its degrees say.
  let degrees: [Int]
  let isRing: Bool
  let tableForm: TableForm?
  let tableGradients: TableGradients?
  let zero: Int
  /// Whether the ends may be on different stages.
  let isStaged: Bool
  /// Of a model with written shardings the mesh, whose axes these name.
  let mesh: Mesh?

  init(_ choices: PlanChoices, _ classes: [BlockClass], isAnnotated: Bool) {
    gathersInputs = choices.gathersInputs
    gathersWeights = choices.gathersWeights
    let looping =
      choices.matmul == .gathered
      ? [] : classes.filter { LayoutCatalog.hasPanels(choices.blocks[$0] ?? choices.layout) }
    self.looping = looping
    // Blocks without attention know nothing of the order in which keys come round.
    let isRing = choices.contextAttention == .ring && classes.contains(.attention)
    self.isRing = isRing
    // Loops run over rows and columns, replicas leave them as they are; rings over the context.
    let looped: (String) -> Bool = { name in
      let isWhole = choices.blockMeshes.isEmpty
      if isRing && isWhole && name == "context" { return true }
      guard !looping.isEmpty else { return false }
      return isWhole
        ? !["pipeline", "context"].contains(name) && !LayoutCatalog.replicaAxes.contains(name)
        : !["data", "pipeline"].contains(name)
    }
    degrees = choices.mesh.axes.map { looped($0.name) ? $0.size : 0 }
    let hasEnds = classes.contains { $0 == .embedding || $0 == .head }
    tableForm = hasEnds ? choices.tableForm : nil
    tableGradients = hasEnds ? choices.tableGradients : nil
    isStaged = hasEnds && choices.degree("pipeline") > 1
    mesh = isAnnotated ? choices.mesh : nil
    zero = choices.degree("data") > 1 ? choices.zero : 0
  }
}

extension TrainingGraph {
  /// The classes of a group's blocks, each once.
  func classes(of group: BlockGroup) -> [BlockClass] {
    BlockClass.allCases.filter { blockClass in
      group.places.contains { block($0).graph.blockClass == blockClass }
    }
  }

  /// What is decided of every group under `choices`.
  func context(_ choices: PlanChoices) throws(ConstraintViolation) -> LoweringContext {
    try BuiltChoices.check(choices)
    return try LoweringContext(
      sizes: sizes, workload: workload, choices: choices, isTied: isTied)
  }

  /// The same with a batch that every split divides: what is lowered does not depend on it.
  func openContext(_ choices: PlanChoices) throws(ConstraintViolation) -> LoweringContext {
    var choices = choices
    choices.microBatch = choices.mesh.deviceCount
    return try context(choices)
  }

  /// The blocks of `group`, whose parameters `context` then has, with what layers leave out to compute
  /// it again as `kinds` say.
  func lowered(
    _ group: BlockGroup, _ context: inout LoweringContext,
    recomputing kinds: Set<Recomputation> = []
  ) throws(ConstraintViolation) -> [LoweredBlock] {
    try context.placeParameters(of: group.places.map { block($0) })
    var blocks: [LoweredBlock] = []
    for place in group.places {
      let segment = segments[place.segment]
      var made = try LoweredBlock(
        block(place), segment: place.segment, repetitions: segment.count, context: context,
        unpadded: sizes)
      if areLayers[place.segment] {
        made.makeLean(kinds, place: place.block, of: segment.blocks.count)
      }
      blocks.append(made)
    }
    return blocks
  }

  /// What a template of `group` is made of.
  fileprivate func templated(
    _ group: BlockGroup, _ context: LoweringContext, _ kinds: Set<Recomputation>
  ) throws(ConstraintViolation) -> GroupTemplate.Lowered {
    var context = context
    let blocks = try lowered(group, &context, recomputing: kinds)
    return GroupTemplate.Lowered(
      blocks: blocks.map { ($0.bodies, $0.parameters + $0.copies) },
      addsTableGradients: context.parameters.values.contains { $0.addedAs != nil },
      keepsGatheredInputs: blocks.contains(where: \.keepsGatheredInputs),
      keepsGatheredWeights: blocks.contains(where: \.keepsGatheredWeights))
  }

  /// What a template of a boundary is made of: what departs, and what arrives.
  fileprivate func templatedBoundary(
    before place: BlockGroup.Place, _ context: LoweringContext
  ) throws(ConstraintViolation) -> GroupTemplate.Lowered {
    guard let lowering = BoundaryLowering(context: context),
      let boundary = try lowering.boundary(before: block(place).graph)
    else { return GroupTemplate.Lowered(blocks: []) }
    return GroupTemplate.Lowered(
      blocks: [(boundary.departure, []), (boundary.arrival, [])])
  }
}
