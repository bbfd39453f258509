import PlanIR

/// A node with one form of its table, its chain put together for all placements.
final class StageChain {
  let choices: PlanChoices
  let network: NetworkTable
  let request: SearchRequest
  /// What the framework allocates, for exchanges beside kernels too.
  let framework: Bytes
  let orders: [PipelineOrder]
  let held: ChainParts<HeldBlock<TotalBytes>>
  var memory: StageMemory
  /// What its stages hold at least.
  let stages: HeldStages
  private var knownLeast: Bytes?
  private var knownRoom: (limit: Bytes, room: LayerRoom)?
  private let profile: ChainProfile
  private let computed: ChainParts<PricedBlock>

  init(
    _ choices: PlanChoices, _ lowered: LoweredNode, _ request: SearchRequest,
    _ space: CandidateSpace, _ chains: inout ChainTable
  ) throws(ConstraintViolation) {
    self.request = request
    self.choices = choices
    network = lowered.network
    let (stages, layers) = (choices.degree("pipeline"), request.training.layers)
    orders = space.orders(stages: stages, microBatches: choices.microBatches).map {
      PipelineOrder(
        schedule: $0.0, stages: stages, chunks: $0.interleave, microBatches: choices.microBatches)
    }
    // Found before the table is read: it would be copied to be changed.
    let (ends, boundaries) = (try chains.ends(choices), try chains.boundaries(choices))
    profile = try chains.chain(layers: lowered.groups, ends: ends, boundaries: boundaries)
    let batch = choices.batch
    try profile.check(batch, choices.mesh)
    computed = profile.computed(batch, network.costs[0])
    held = computed.map { HeldBlock($0) }
    let device = request.cluster.device
    framework =
      device.framework(request.training, choices.mesh, microBatches: choices.microBatches)
      + choices.exchangeBuffers(
        computed.mostWeights, request.training.workload.precision, device)
    memory = StageMemory(request: request, chain: held, orders: orders, framework: framework)
    let layer = held.layer
    self.stages = HeldStages(
      stages: stages, microBatches: choices.microBatches, layers: layers, beside: held.beside,
      memory: layer, storedBytes: layer.stored.program.count, recompute: request.pins.recompute)
  }

  /// How many schedules and cuts there are.
  var count: Int {
    CutSpace(layers: stages.layers, stages: stages.stages).count * orders.count
  }

  /// What the fullest stage holds at least, whatever the schedule, the cut and the placement.
  var least: Bytes {
    if let knownLeast { return knownLeast }
    var all = StageCuts(layers: stages.layers, stages: stages.stages)
    var least = Int.max
    repeat {
      let part = all.next(upTo: stages.layers)
      var table = FittingTable(stages, orders, most: all.most)
      for cut in part.cuts {
        let counts = cut.layers(stages.layers, stages: stages.stages)
        for order in orders.indices { least = min(least, table.bytes(order, counts)) }
      }
    } while all.left > 0 && leastBytes(above: all.most) < least
    let made = Bytes(least == Int.max ? 0 : least) + framework
    knownLeast = made
    return made
  }

  /// The layers that stages can hold within `limit`; nil where there is none, or it is not asked for.
  func room(_ limit: Bytes?) -> LayerRoom? {
    guard let limit, !request.exhaustive else { return nil }
    if let knownRoom, knownRoom.limit == limit { return knownRoom.room }
    let made = LayerRoom(stages, orders, bytes: (limit - framework).count)
    knownRoom = (limit, made)
    return made
  }

  /// What a stage of more than `most` layers holds at least, whichever it is and whatever the order.
  func leastBytes(above most: Int) -> Int {
    let count = most + 1
    let bytes = orders.flatMap { order in
      (0..<stages.stages).map { stage in
        stages.bytes(stage, layers: count, order.heldPasses(stage, layers: count))
      }
    }
    return bytes.min() ?? 0
  }

  /// Whether any schedule and cut may hold no more than `limit`.
  func mayFit(_ limit: Bytes?) -> Bool {
    guard let limit, !request.exhaustive else { return true }
    return least <= limit
  }

  /// The decisions before schedule and cut, under a placement.
  func path(_ placement: Int) -> [String] {
    CertificatePath.node(choices)
      + [
        CertificatePath.placement(network.placements[placement]), CertificatePath.table(choices),
      ]
  }

  /// What it takes under a placement.
  func timed(_ placement: Int) -> ChainParts<TimedBlock> {
    let cost = network.costs[placement]
    return profile.priced(computed, choices.batch, cost).map { TimedBlock($0, cost) }
  }
}

extension PlanChoices {
  /// Sequences that enter the mesh at a time.
  fileprivate var batch: Int { degree("data") * microBatch }
}

extension ChainParts where Item == HeldBlock<TotalBytes> {
  /// What one layer holds at least, of all kinds that there are.
  fileprivate var layer: LayerMemory {
    let kinds = blocks.indices.filter { areLayers[$0] }.map { LayerMemory(blocks[$0]) }
    return kinds.dropFirst().reduce(kinds.first ?? LayerMemory()) { $0.least($1) }
  }

  /// What embedding and head hold.
  fileprivate var beside: EndsBytes {
    let ends = LayerRange(areLayers).ends(of: self)
    func stored(_ blocks: [HeldBlock<TotalBytes>]) -> Int {
      blocks.reduce(0) { $0 + $1.stored.bytes }
    }
    let kept = ends.last.reduce(0) { $0 + $1.forward.change.bytes }
    return EndsBytes(
      first: stored(ends.first), last: stored(ends.last),
      head: kept + (ends.last.last?.inputGradient.peak.bytes ?? 0))
  }
}
