import PlanIR

/// The ways in which a point's parameters may be sharded that leave its layers room.
struct OpenShards {
  fileprivate(set) var all: [ShardedWeights] = []
  /// Whether some are left out.
  fileprivate(set) var isPartial = false
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

  /// What replicas of `split` exchange of a layer at least, wherever they lie and whatever of parameters is sharded;
  /// nil where no way to shard them leaves room.
  mutating func leastExchange(_ point: Int, _ split: DeviceSplit, _ size: Int) -> ReplicaBound? {
    let open = openShards(point, split, size)
    guard let first = open.all.first else { return open.isPartial ? nil : ReplicaBound() }
    let routes = closest.routes(split.data, request)
    guard request.objective == .time, !routes.isEmpty else { return ReplicaBound() }
    let times = ReplicaTimes(
      bytes: points[point].exchanged(), meeting: routes, training.workload.precision,
      overlaps: request.cluster.device.operators.overlapsGradients)
    return open.all.dropFirst().reduce(times.bound(sharding: first)) {
      $0.least(times.bound(sharding: $1))
    }
  }
}
