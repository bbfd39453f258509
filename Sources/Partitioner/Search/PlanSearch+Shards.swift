import PlanIR

/// The ways in which a point's parameters may be sharded that leave its layers room.
struct OpenShards {
  fileprivate(set) var all: [ShardedWeights] = []
  /// Whether some are left out.
  fileprivate(set) var isPartial = false
}

/// A way to shard parameters, and what replicas exchange of a layer then.
struct ShardExchange {
  let weights: ShardedWeights
  let bound: ReplicaBound
}

extension [ShardExchange] {
  /// Whatever is sharded.
  var least: ReplicaBound {
    dropFirst().reduce(first?.bound ?? ReplicaBound()) { $0.least($1.bound) }
  }
}

extension PlanSearch {
  /// Those of `split`, by what the point's groups that are lowered store; micro-batches of `size` divide.
  mutating func openShards(_ point: Int, _ split: DeviceSplit, _ size: Int) -> OpenShards {
    let all = points[point].trunk.shards(split, space)
    guard let limit = request.limit, !request.exhaustive else { return OpenShards(all: all) }
    let stored = points[point].stored(size, training)
    // Some stage holds as many whole layers.
    let layers = (training.layers + split.stages - 1) / split.stages
    let open = all.filter {
      limit.count / max(1, stored.bytes(sharding: $0, data: split.data)) >= layers
    }
    return OpenShards(all: open, isPartial: open.count < all.count)
  }

  /// What replicas of `split` exchange of a layer at least, wherever they lie, where parameters are sharded in each way
  /// that leaves room.
  mutating func exchanges(_ point: Int, _ split: DeviceSplit, _ size: Int) -> [ShardExchange] {
    let open = openShards(point, split, size).all
    let routes = closest.routes(split.data, of: space.rates.cluster, request)
    guard request.objective == .time, !routes.isEmpty else {
      return open.map { ShardExchange(weights: $0, bound: ReplicaBound()) }
    }
    let times = ReplicaTimes(
      bytes: points[point].exchanged(training), meeting: routes, training.workload.precision,
      overlaps: request.cluster.device.operators.overlapsGradients)
    return open.map { ShardExchange(weights: $0, bound: times.bound(sharding: $0)) }
  }

  /// What the fullest device holds at least, however parameters are sharded and whatever is gathered or computed again.
  mutating func leastHeld(_ point: Int, _ split: DeviceSplit, _ size: Int) -> Int {
    guard !request.exhaustive else { return 0 }
    let isWhole = points[point].isWhole
    let memory =
      isWhole
      ? points[point].leanMemory(size, request, &chains)
      : points[point].parameters(size, training)
    let ends = isWhole ? points[point].leanEnds(size, space, &chains) : EndsMemory()
    var (stored, beside) = (Int.max, EndsBytes(first: .max, last: .max, head: ends.head))
    for shard in points[point].trunk.shards(split, space) {
      stored = min(stored, memory.stored.bytes(sharding: shard, data: split.data))
      beside = beside.least(ends.bytes(sharding: shard, data: split.data))
    }
    guard stored < Int.max else { return 0 }
    let microBatches = training.workload.globalBatch / split.data / size
    let held = HeldStages(
      stages: split.stages, microBatches: microBatches, layers: training.layers, beside: beside,
      memory: memory, storedBytes: stored, recompute: request.pins.recompute)
    let framework = request.cluster.device.framework(
      training, points[point].choices(on: split).mesh, microBatches: microBatches)
    return (Bytes(held.evenBytes) + framework).count
  }
}
