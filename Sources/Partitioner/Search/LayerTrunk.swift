import PlanIR

/// Some groups of blocks of the layers on one tensor mesh and context axis: those that points share which differ
/// in attention alone.
final class LayerTrunk {
  let groups: [LayerGroup]
  /// The same in loops over panels, where nobody knows that these take longer: products have measured times.
  let panelled: [LayerGroup]
  let costs: MeshCosts
  /// Embedding and head beside them.
  let ends: PointEnds
  private let choices: PlanChoices
  /// The ways to shard its parameters on one replica, and on several.
  private var knownShards: (alone: [ShardedWeights]?, beside: [ShardedWeights]?)
  /// By size of micro-batch.
  private var known: [Int: [BlockPasses?]] = [:]
  /// What a step takes at least over all ways to spread it, once that is known; nil in it where there are none.
  var leastStep: Int??

  /// The groups of `blocks` under `choices`, in `context`, whose batch every split divides.
  init(
    _ choices: PlanChoices, _ context: LoweringContext, _ blocks: [BlockGroup], mayStep: Bool,
    _ costs: MeshCosts, _ chains: inout ChainTable
  ) throws(ConstraintViolation) {
    (self.costs, self.choices) = (costs, choices)
    groups = try costs.groups(blocks, context, &chains)
    panelled = mayStep ? costs.panels(blocks, choices, &chains) : []
    ends = PointEnds(choices, panelled.isEmpty ? [choices.matmul] : MatmulSchedule.allCases, costs)
  }

  /// The ways to shard its parameters on `split`.
  func shards(_ split: DeviceSplit, _ space: CandidateSpace) -> [ShardedWeights] {
    let known = split.data > 1 ? knownShards.beside : knownShards.alone
    if let known { return known }
    var own = choices
    if split.data == 1 { own.mesh = Mesh(own.mesh.axes.filter { $0.name != "data" }) }
    let made = space.shards(own)
    if split.data > 1 { knownShards.beside = made } else { knownShards.alone = made }
    return made
  }

  /// What its blocks take and hold of a micro-batch of `size`, under every placement, then in loops over panels
  /// where it has some.
  func passes(_ size: Int, _ training: TrainingGraph) -> [BlockPasses?] {
    if let found = known[size] { return found }
    let made = groups.passes(panelled, size, costs.asNumbered, training)
    known[size] = made
    return made
  }
}

/// Trunks and costs, made once for all points.
struct TrunkTable {
  private var trunks: [Key: Result<LayerTrunk, ConstraintViolation>] = [:]
  private var costs: [Mesh: MeshCosts] = [:]

  /// What a trunk depends on.
  private struct Key: Hashable {
    let choices: PlanChoices
    let tables: [[DimensionAxes]]
  }

  /// The trunk of `choices`, of `blocks`.
  mutating func trunk(
    _ choices: PlanChoices, _ blocks: [BlockGroup], mayStep: Bool, _ rates: ClusterRates,
    _ chains: inout ChainTable
  ) throws(ConstraintViolation) -> LayerTrunk {
    let context = try chains.training.openContext(choices)
    var own = choices
    if !blocks.contains(where: chains.training.hasAttention) {
      (own.contextAttention, own.keyValue) = (.allToAll, .copied)
    }
    let key = Key(choices: own, tables: blocks.map { chains.tables(of: $0, context) })
    if let known = trunks[key] { return try known.get() }
    let costs = costs(choices.mesh, rates)
    let made: Result<LayerTrunk, ConstraintViolation>
    do throws(ConstraintViolation) {
      made = .success(
        try LayerTrunk(choices, context, blocks, mayStep: mayStep, costs, &chains))
    } catch {
      made = .failure(error)
    }
    trunks[key] = made
    return try made.get()
  }

  private mutating func costs(_ mesh: Mesh, _ rates: ClusterRates) -> MeshCosts {
    if let known = costs[mesh] { return known }
    let made = MeshCosts(mesh, rates)
    costs[mesh] = made
    return made
  }
}
