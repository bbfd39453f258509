import PlanIR

extension LayerPoint {
  /// What as many replicas exchange of a layer's parameters at least, by placement of the point's axes.
  mutating func replicaTimes(_ count: Int, _ request: SearchRequest) -> [ReplicaTimes] {
    if let found = knownReplicas[count] { return found }
    // Nothing is known of how measured times grow with bytes.
    let sets = shardSets(hasReplicas: count > 1)
    let hasTimes = (count > 1 || !sets.isEmpty) && request.timings.isEmpty
    let made = costs.all.map { cost in
      guard hasTimes else { return ReplicaTimes() }
      let network = ReplicaNetwork(
        choices.mesh, cost.placement, of: cost.cluster, replicas: count, request)
      return replicaTimes(network, sets, isAlone: count == 1)
    }
    knownReplicas[count] = made
    return made
  }

  /// Bytes of gradients that replicas exchange of one layer at least, of its groups that are lowered.
  mutating func exchanged() -> Int {
    if let knownExchanged { return knownExchanged }
    var segments: [Int: Int] = [:]
    for group in groups {
      for (segment, profile) in zip(group.segments, group.lowered.profiles) {
        for reduction in profile.reductions {
          let axes = group.lowered.axes[reduction.group]
          guard axes.contains(where: { choices.mesh.axes[$0.axis].name == "data" }) else {
            continue
          }
          segments[segment, default: 0] += reduction.bytes
        }
      }
    }
    let least = segments.values.min() ?? 0
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

  /// Of a layer's parameters, which may be sharded over each of `sets` of axes; of replicas that are alone
  /// nothing else is told.
  private func replicaTimes(
    _ network: ReplicaNetwork, _ sets: [[String]], isAlone: Bool
  ) -> ReplicaTimes {
    var segments: [Int: [(axes: [AxisReference], bytes: Int)]] = [:]
    for group in groups {
      for (segment, profile) in zip(group.segments, group.lowered.profiles) {
        segments[segment, default: []] += profile.reductions.compactMap { reduction in
          let axes = group.lowered.axes[reduction.group]
          return network.joinsReplicas(axes) ? (axes, reduction.bytes) : nil
        }
      }
    }
    let own = segments.values.map { network.times($0, sharding: sets, isAlone: isAlone) }
    return own.dropFirst().reduce(own.first ?? ReplicaTimes()) { $0.least($1) }
  }
}
