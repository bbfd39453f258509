import PlanIR

/// A chain lowered whole, every body as a function of the batch: for plans whose parts do not add up to
/// a step, for stages run at once or layers are computed again.
struct WholeProfile {
  private let chain: ChainParts<BlockProfile>
  private let axes: [[AxisReference]]
  /// The ways in which the batch is split, and the least number that all of them divide.
  private let splits: [[AxisReference]]
  private let unit: Int

  /// Lowers the chain of `training` under `choices`, whose micro-batches are not set, with what layers
  /// leave out as `kinds` says.
  init(
    _ training: TrainingGraph, _ choices: PlanChoices, _ kinds: Set<Recomputation>
  ) throws(ConstraintViolation) {
    var choices = choices
    choices.microBatch = choices.mesh.deviceCount
    let lowering = try Lowering(training, choices, recomputing: kinds)
    let parts = lowering.parts(
      block: { ($0.bodies, $0.parameters + $0.copies) }, joint: { ($0, []) })
    var blocks: [(bodies: BlockBodies, parameters: [StoredParameter])] = []
    let places = parts.map { item in
      blocks.append(item)
      return blocks.count - 1
    }
    let group = try LoweredGroup(blocks, lowering.context)
    chain = places.map { group.profiles[$0] }
    (splits, unit, axes) = (group.batchSplits, group.unit, group.axes)
  }

  /// The chain at `batch` sequences.
  func priced(
    _ batch: Int, _ cost: ClusterCost
  ) throws(ConstraintViolation) -> ChainParts<PricedBlock> {
    if let split = splits.first(where: { batch % $0.groupSize != 0 }) {
      throw ConstraintViolation.indivisible(.batch, size: batch, by: split, in: cost.mesh)
    }
    let times = axes.map { cost.route(over: $0) }
    return chain.map { $0.summaries(batch / unit, cost, times) }
  }
}

/// Chains lowered once for all micro-batches, placements, schedules and numbers of recomputed layers.
struct WholeTable {
  let training: TrainingGraph
  private var known: [PlanChoices: Result<WholeProfile, ConstraintViolation>] = [:]

  init(_ training: TrainingGraph) { self.training = training }

  /// The chain of `choices`.
  mutating func profile(
    of choices: PlanChoices
  ) throws(ConstraintViolation) -> WholeProfile {
    var key = choices
    (key.microBatch, key.microBatches, key.placement) = (0, 0, [])
    key.schedule = choices.stages.count > 1 ? .oneForwardOneBackward : .none
    key.interleave = 1
    key.stages = choices.stages.map { StageChoice(layers: $0.layers, recomputeNone: $0.layers) }
    if key.recompute == .mixed { key.recompute = .full }
    if let found = known[key] { return try found.get() }
    var plain = key
    plain.recompute = .none
    let made: Result<WholeProfile, ConstraintViolation>
    do throws(ConstraintViolation) {
      made = .success(
        try WholeProfile(training, plain, key.recompute == .none ? [] : [key.recompute]))
    } catch {
      made = .failure(error)
    }
    known[key] = made
    return try made.get()
  }

  /// Forgets what was lowered.
  mutating func forget() { known.removeAll(keepingCapacity: true) }
}
