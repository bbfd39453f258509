import PlanIR

/// Replicas of a point, with what is told of them.
struct ReplicaKey: Hashable {
  let count: Int
  /// Whether what they exchange is told for each set of axes over which weights may be sharded.
  let sharing: Bool
}

extension LayerPoint {
  /// What as many replicas exchange of the parameters of each block at least, by placement of the point's axes, segment,
  /// and place in the layer.
  mutating func replicaTimes(
    _ key: ReplicaKey, _ request: SearchRequest
  ) -> [[[Int: ReplicaTimes]]] {
    if let found = knownReplicas[key] { return found }
    let isAlone = key.count == 1
    // Nothing is known of how measured times grow with bytes.
    let sets = key.sharing ? shardSets(hasReplicas: !isAlone) : []
    let hasTimes = (!isAlone || !sets.isEmpty) && request.timings.isEmpty
    let segments = hasTimes ? exchangedParameters(request.training) : []
    let made = costs.all.map { cost in
      let network = ReplicaNetwork(
        choices.mesh, cost.placement, of: cost.cluster, replicas: key.count, request)
      return network.times(segments, sharding: sets, isAlone: isAlone)
    }
    knownReplicas[key] = made
    return made
  }

  /// Bytes of gradients that replicas exchange of one layer at least, of its groups that are lowered.
  mutating func exchanged(_ training: TrainingGraph) -> Int {
    if let knownExchanged { return knownExchanged }
    let segments = exchangedParameters(training).filter { !$0.isEmpty }
      .map { $0.values.reduce(0) { $0 + $1.gradients.bytes } }
    let least = segments.min() ?? 0
    knownExchanged = least
    return least
  }

  /// Bytes that a layer keeps at least of weights that `choices` shard, as they are gathered for its forward pass, where
  /// its gradients do not gather them again; nothing is told of loops over panels.
  mutating func gathered(_ choices: PlanChoices, _ training: TrainingGraph) -> Int {
    let axes = choices.weightsOver
    guard !axes.isEmpty, choices.gathersWeights == .saved, choices.matmul == .gathered else {
      return 0
    }
    if let found = knownKept[axes] { return found }
    let over = axes.flatMap { self.choices.mesh.whole($0) }
    let segments = exchangedParameters(training).filter { !$0.isEmpty }.map { blocks in
      blocks.values.reduce(0) { sum, block in
        block.backward.groups.reduce(sum) { sum, weights in
          over.subtracting(weights.axes).isEmpty ? sum : sum + weights.bytes.reduce(0, +)
        }
      }
    }
    let least = segments.min() ?? 0
    knownKept[axes] = least
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

  /// What replicas exchange of each block of one layer of each segment, by its place there.
  private func exchangedParameters(_ training: TrainingGraph) -> [[Int: ExchangedParameters]] {
    var segments = [[Int: ExchangedParameters]](repeating: [:], count: training.segments.count)
    for group in groups {
      for (block, segment) in group.segments.enumerated() {
        var own = ExchangedParameters()
        let read = group.lowered.readWeights(block)
        for weight in read.forward { own.forward.add([weight.bytes], weight.split) }
        for weight in read.backward { own.backward.add([weight.bytes], weight.split) }
        for reduction in group.lowered.profiles[block].reductions {
          let axes = group.lowered.axes[reduction.group]
          guard axes.contains(where: { choices.mesh.axes[$0.axis].name == "data" }) else {
            continue
          }
          own.gradients.add(
            Array(repeating: reduction.bytes, count: reduction.count), axes)
        }
        segments[segment][group.places[block]] = own
      }
    }
    return segments
  }
}

/// Parameters of a block that replicas exchange.
struct ExchangedParameters {
  /// Gradients, by the axes over which they are summed up.
  var gradients = TensorsByAxes()
  /// Weights that the forward pass reads, and the gradient of the block's input, by the axes that split them.
  var forward = TensorsByAxes()
  var backward = TensorsByAxes()
}

/// Tensors of as many bytes each, by axes.
struct TensorsByAxes {
  private(set) var groups: [(axes: [AxisReference], bytes: [Int])] = []

  mutating func add(_ bytes: [Int], _ axes: [AxisReference]) {
    if let known = groups.firstIndex(where: { $0.axes == axes }) {
      groups[known].bytes += bytes
    } else {
      groups.append((axes, bytes))
    }
  }

  /// Bytes of all.
  var bytes: Int { groups.reduce(0) { $1.bytes.reduce($0, +) } }
}
