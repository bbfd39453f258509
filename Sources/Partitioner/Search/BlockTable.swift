import PlanIR

/// A group of blocks, lowered for any micro-batch.
struct LoweredGroup {
  /// Each block as a function of the batch.
  let profiles: [BlockProfile]
  /// The axes lists over which it communicates.
  let routes: RouteList
  /// The ways in which the batch is split, each of which must divide it.
  let batchSplits: [[AxisReference]]
  /// What the batch counts in: the least number that every split divides.
  let unit: Int
  /// Whether a tied table's gradients are added before they are scattered.
  let addsTableGradients: Bool
  /// Whether saving what was gathered and gathering it again differ, for inputs and for weights.
  let keepsGatheredInputs, keepsGatheredWeights: Bool

  /// Lowers `group` of `training` under `choices`, whose micro-batches are not set.
  init(
    _ group: BlockGroup, of training: TrainingGraph, _ choices: PlanChoices
  ) throws(ConstraintViolation) {
    var choices = choices
    // A batch that every split divides: what is lowered does not depend on it.
    choices.microBatch = choices.mesh.deviceCount
    let (blocks, context) = try Self.blocks(of: group, training, choices)
    let splits = Self.batchSplits(blocks.flatMap(\.bodies.all))
    batchSplits = splits
    unit = splits.reduce(1) { leastCommonMultiple($0, $1.groupSize) }
    addsTableGradients = context.parameters.values.contains { $0.addedAs != nil }
    keepsGatheredInputs = blocks.contains(where: \.keepsGatheredInputs)
    keepsGatheredWeights = blocks.contains(where: \.keepsGatheredWeights)
    var routes = RouteList()
    let (mesh, precision, size) = (choices.mesh, training.workload.precision, unit)
    profiles = blocks.map { block in
      BlockProfile(
        block.bodies, parameters: block.parameters, unit: size, mesh: mesh, precision: precision,
        routes: &routes)
    }
    self.routes = routes
  }

  /// `group` under `choices` of ZeRO 1, where `other` is the same of ZeRO 0: what runs for every
  /// micro-batch is alike, and only what runs once a step is lowered anew.
  init(
    _ group: BlockGroup, of training: TrainingGraph, _ choices: PlanChoices,
    like other: LoweredGroup
  ) throws(ConstraintViolation) {
    let context = try Self.context(of: group, training, choices)
    var routes = other.routes
    var profiles: [BlockProfile] = []
    for (place, profile) in zip(group.places, other.profiles) {
      let step = try BlockStep(
        training.block(place), segment: place.segment,
        repetitions: training.segments[place.segment].count, context: context,
        unpadded: training.sizes)
      profiles.append(
        profile.with(
          step, mesh: choices.mesh, precision: training.workload.precision, routes: &routes))
    }
    (self.profiles, self.routes) = (profiles, routes)
    (batchSplits, unit) = (other.batchSplits, other.unit)
    addsTableGradients = other.addsTableGradients
    keepsGatheredInputs = other.keepsGatheredInputs
    keepsGatheredWeights = other.keepsGatheredWeights
  }

  private static func context(
    of group: BlockGroup, _ training: TrainingGraph, _ choices: PlanChoices
  ) throws(ConstraintViolation) -> LoweringContext {
    try BuiltChoices.check(choices)
    var context = try LoweringContext(
      sizes: training.sizes, workload: training.workload, choices: choices,
      isTied: training.isTied)
    try context.placeParameters(of: group.places.map { training.block($0) })
    return context
  }

  /// The blocks of `group` lowered under `choices`.
  static func blocks(
    of group: BlockGroup, _ training: TrainingGraph, _ choices: PlanChoices
  ) throws(ConstraintViolation) -> ([LoweredBlock], LoweringContext) {
    let context = try context(of: group, training, choices)
    var blocks: [LoweredBlock] = []
    for place in group.places {
      blocks.append(
        try LoweredBlock(
          training.block(place), segment: place.segment,
          repetitions: training.segments[place.segment].count, context: context,
          unpadded: training.sizes))
    }
    return (blocks, context)
  }

  /// The ways in which buffers of `bodies` split the batch, each once.
  static func batchSplits(_ bodies: [Body]) -> [[AxisReference]] {
    var splits: [[AxisReference]] = []
    for buffer in bodies.flatMap(\.buffers) {
      let axes = buffer.type.axes(of: .batch)
      if !axes.isEmpty && !splits.contains(axes) { splits.append(axes) }
    }
    return splits
  }
}

/// A block as a function of the batch, in units of a batch that every split divides.
struct BlockProfile {
  private let forward, inputGradient, weightGradient: BodyProfile?
  private var reduceGradients, optimize: BodyProfile?
  private let settle: BodyProfile?
  private let lean: [Recomputation: (forward: BodyProfile?, recompute: BodyProfile?)]
  private var stored: MemoryUse
  /// The batch that counts as one.
  private let unit: Int

  init(
    _ bodies: BlockBodies, parameters: [StoredParameter], unit: Int, mesh: Mesh,
    precision: Precision, routes: inout RouteList
  ) {
    func profile(_ body: Body?) -> BodyProfile? {
      Self.profile(body, unit: unit, mesh: mesh, precision: precision, routes: &routes)
    }
    self.unit = unit
    forward = profile(bodies.forward)
    inputGradient = profile(bodies.inputGradient)
    weightGradient = profile(bodies.weightGradient)
    reduceGradients = profile(bodies.reduceGradients)
    optimize = profile(bodies.optimize)
    settle = profile(bodies.settle)
    lean = bodies.lean.mapValues { (profile($0.forward), profile($0.recompute)) }
    stored = PricedBlock.stored(parameters, precision)
  }

  /// Every body at `units` units of batch, `routes` being what its groups meet.
  func summaries(_ units: Int, _ cost: any CostModel, _ routes: [Route]) -> PricedBlock {
    func summary(_ body: BodyProfile?) -> BodySummary {
      body.map { BodySummary($0, units, cost, routes) } ?? BodySummary()
    }
    return block(summary)
  }

  /// The block with each of its bodies summed up by `summary`.
  private func block(_ summary: (BodyProfile?) -> BodySummary) -> PricedBlock {
    var block = PricedBlock()
    block.forward = summary(forward)
    block.inputGradient = summary(inputGradient)
    block.weightGradient = summary(weightGradient)
    block.reduceGradients = summary(reduceGradients)
    block.optimize = summary(optimize)
    block.settle = summary(settle)
    block.lean = lean.mapValues { (summary($0.forward), summary($0.recompute)) }
    block.stored = stored
    return block
  }

  private static func profile(
    _ body: Body?, unit: Int, mesh: Mesh, precision: Precision, routes: inout RouteList
  ) -> BodyProfile? {
    guard let body else { return nil }
    func trace(_ units: Int) -> BodyTrace {
      BodyTrace(body.resized(.batch, to: unit * units), mesh: mesh, precision: precision)
    }
    return BodyProfile(trace(1), trace(2), routes: &routes)
  }

  /// The same block for every micro-batch with another `step`.
  func with(
    _ step: BlockStep, mesh: Mesh, precision: Precision, routes: inout RouteList
  ) -> BlockProfile {
    func profile(_ body: Body?) -> BodyProfile? {
      Self.profile(body, unit: unit, mesh: mesh, precision: precision, routes: &routes)
    }
    var other = self
    other.reduceGradients = profile(step.reduceGradients)
    other.optimize = profile(step.optimize)
    other.stored = PricedBlock.stored(step.parameters, precision)
    return other
  }

  /// What one layer holds when its forward pass ends, above what was held before it began and with
  /// its parameters.
  func held(_ units: Int) -> Int {
    stored.program.count + (forward?.memory(units).change ?? 0)
  }

  /// The block at `units` units of batch.
  func priced(_ units: Int, _ cost: any CostModel) -> ProfiledBlock {
    func memory(_ body: BodyProfile?) -> BodySummary {
      guard let body else { return BodySummary() }
      let (peak, change) = body.memory(units)
      return BodySummary(peak: Bytes(peak), change: Bytes(change))
    }
    func kernels(_ bodies: [BodyProfile?]) -> Picoseconds {
      bodies.reduce(.zero) { $0 + ($1?.kernels(units, cost) ?? .zero) }
    }
    func uses(_ bodies: [BodyProfile?]) -> [ProfiledBlock.Use] {
      bodies.compactMap(\.self).flatMap { body in
        body.collectives.map { use, count in
          ProfiledBlock.Use(
            pattern: use.pattern, route: use.route, bytes: use.bytes.at(units), count: count)
        }
      }
    }
    let everyMicroBatch = [forward, inputGradient, weightGradient]
    return ProfiledBlock(
      memory: block(memory), kernels: kernels(everyMicroBatch), uses: uses(everyMicroBatch),
      onceKernels: kernels([reduceGradients, optimize]),
      onceUses: uses([reduceGradients, optimize]))
  }
}

/// A block at one batch: what it holds, computes and sends.
struct ProfiledBlock {
  /// Memory alone; all of it in one class.
  let memory: PricedBlock
  let kernels: Picoseconds
  let uses: [Use]
  /// Once a step: gradients reduced, parameters updated.
  let onceKernels: Picoseconds
  let onceUses: [Use]

  struct Use {
    let pattern: CollectiveUse.Pattern
    let route, bytes, count: Int
  }
}

extension Body {
  /// The same body with another whole size of `dimension`.
  func resized(_ dimension: Dimension, to size: Int) -> Body {
    var body = self
    for place in body.buffers.indices {
      guard let index = body.buffers[place].type.index(of: dimension) else { continue }
      body.buffers[place].type.sizes[index] = size
    }
    return body
  }
}

/// Groups lowered once for all candidates that share them.
struct BlockTable {
  let training: TrainingGraph
  private var known: [Key: Result<LoweredGroup, ConstraintViolation>] = [:]

  private struct Key: Hashable {
    let group: BlockGroup
    let choices: PlanChoices
  }

  init(_ training: TrainingGraph) { self.training = training }

  /// `group` under `choices`, of which those that do not concern it are set aside.
  mutating func lowered(
    _ group: BlockGroup, _ choices: PlanChoices
  ) throws(ConstraintViolation) -> LoweredGroup {
    let key = Key(group: group, choices: relevant(choices, to: group))
    if let found = known[key] { return try found.get() }
    let made: Result<LoweredGroup, ConstraintViolation>
    do throws(ConstraintViolation) {
      made = .success(try lower(group, key.choices))
    } catch {
      made = .failure(error)
    }
    known[key] = made
    return try made.get()
  }

  private mutating func lower(
    _ group: BlockGroup, _ choices: PlanChoices
  ) throws(ConstraintViolation) -> LoweredGroup {
    guard choices.zero == 1 else { return try LoweredGroup(group, of: training, choices) }
    var plain = choices
    plain.zero = 0
    return try LoweredGroup(group, of: training, choices, like: try lowered(group, plain))
  }

  /// Forgets what was lowered: for meshes that no further candidate has.
  mutating func forget() { known.removeAll(keepingCapacity: true) }

  private func relevant(_ choices: PlanChoices, to group: BlockGroup) -> PlanChoices {
    var relevant = choices
    (relevant.microBatch, relevant.microBatches, relevant.placement) = (0, 0, [])
    (relevant.schedule, relevant.interleave, relevant.stages) = (.none, 1, [])
    relevant.recompute = .none
    let classes = group.places.map { training.block($0).graph.blockClass }
    if !classes.contains(where: { $0 == .embedding || $0 == .head }) {
      (relevant.tableForm, relevant.tableGradients) = (.gathered, .added)
    }
    if !classes.contains(.attention) { relevant.keyValue = .copied }
    guard let first = classes.first, !choices.blockMeshes.isEmpty else { return relevant }
    // In a mixture the layouts of other blocks do not matter.
    for blockClass in BlockClass.allCases where !classes.contains(blockClass) {
      relevant.blocks[blockClass] = choices.blocks[first]
      relevant.blockMeshes[blockClass] = choices.blockMeshes[first]
    }
    relevant.layout = .mixed
    return relevant
  }
}
