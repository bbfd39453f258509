import PlanIR

extension LayerPoint {
  /// What as many replicas exchange of a layer's parameters at least, by placement of the point's axes.
  mutating func replicaTimes(_ count: Int, _ request: SearchRequest) -> [ReplicaTimes] {
    if let found = knownReplicas[count] { return found }
    // Nothing is known of how measured times grow with bytes.
    let sets = shardSets(hasReplicas: count > 1)
    let hasTimes = (count > 1 || !sets.isEmpty) && request.timings.isEmpty
    let segments = hasTimes ? exchangedGradients() : []
    let made = costs.all.map { cost in
      guard hasTimes else { return ReplicaTimes() }
      let network = ReplicaNetwork(
        choices.mesh, cost.placement, of: cost.cluster, replicas: count, request)
      let own = segments.map { network.times($0, sharding: sets, isAlone: count == 1) }
      return own.dropFirst().reduce(own.first ?? ReplicaTimes()) { $0.least($1) }
    }
    knownReplicas[count] = made
    return made
  }

  /// Bytes of gradients that replicas exchange of one layer at least, of its groups that are lowered.
  mutating func exchanged() -> Int {
    if let knownExchanged { return knownExchanged }
    let segments = exchangedGradients().map(\.bytes)
    let least = segments.min() ?? 0
    knownExchanged = least
    return least
  }

  /// The sets of axes over which weights may be sharded.
  private func shardSets(hasReplicas: Bool) -> [[String]] {
    let layout = try? LayoutCatalog.layout(choices.layout)
    var sets: [[String]] = hasReplicas ? [[], ["data"]] : [[]]
    for name in layout?.copyAxes ?? [] where choices.degree(name) > 1 {
      sets += sets.map { $0 + [name] }
    }
    return sets.filter { !$0.isEmpty }
  }

  /// The gradients of one layer of each segment that replicas exchange.
  private func exchangedGradients() -> [ExchangedGradients] {
    var segments: [Int: ExchangedGradients] = [:]
    for group in groups {
      for (segment, profile) in zip(group.segments, group.lowered.profiles) {
        for reduction in profile.reductions {
          let axes = group.lowered.axes[reduction.group]
          guard axes.contains(where: { choices.mesh.axes[$0.axis].name == "data" }) else {
            continue
          }
          segments[segment, default: ExchangedGradients()].add(
            reduction.bytes, count: reduction.count, over: axes)
        }
      }
    }
    return Array(segments.values)
  }
}

/// Gradients that replicas exchange: over which axes, of each how many bytes.
struct ExchangedGradients {
  /// Those that are summed up over the same axes together.
  private(set) var groups: [(axes: [AxisReference], bytes: [Int])] = []

  mutating func add(_ bytes: Int, count: Int, over axes: [AxisReference]) {
    let own = Array(repeating: bytes, count: count)
    if let known = groups.firstIndex(where: { $0.axes == axes }) {
      groups[known].bytes += own
    } else {
      groups.append((axes, own))
    }
  }

  /// Bytes of all.
  var bytes: Int { groups.reduce(0) { $1.bytes.reduce($0, +) } }
}
