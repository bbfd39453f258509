import PlanIR

/// A group of blocks of layers, with the network that it meets in every way in which its mesh may lie over nodes.
struct LayerGroup {
  let lowered: LoweredGroup
  /// What the groups over which it communicates meet, by placement.
  let routes: PlacedRoutes
  /// The segment and class of each of its blocks.
  let segments: [Int]
  let classes: [BlockClass]
  /// Of each block, whether it is the last of its layer.
  let areLast: [Bool]
}

extension [LayerGroup] {
  /// What one layer of each segment takes of a micro-batch of `size`, and holds: under every placement, then, where
  /// that is not known to take longer, as `panelled` does in loops over panels.
  func passes(
    _ panelled: [LayerGroup], _ size: Int, _ cost: ClusterCost, _ training: TrainingGraph
  ) -> [BlockPasses?] {
    var own = passes(size, cost, training)
    guard !panelled.isEmpty && panelled.count == count else { return own }
    for (index, stepped) in panelled.passes(size, cost, training).enumerated() {
      own[index]?.times += stepped?.times ?? []
    }
    return own
  }

  /// One layer of each segment that has any of their blocks.
  func passes(
    _ size: Int, _ cost: ClusterCost, _ training: TrainingGraph
  ) -> [BlockPasses?] {
    var result = [BlockPasses?](repeating: nil, count: training.segments.count)
    for group in self {
      let units = LayerPoint.replicas * size / group.lowered.unit
      for (index, profile) in group.lowered.profiles.enumerated() {
        let own = profile.passes(
          units, cost, group.routes.distinct, isLast: group.areLast[index], isShared: true
        ).placed(group.routes.places)
        let segment = group.segments[index]
        result[segment] = result[segment].map { $0 + own } ?? own
      }
    }
    return result
  }

  /// Whether micro-batches of `size` divide as their tables split them.
  func divide(_ size: Int) -> Bool {
    allSatisfy { LayerPoint.replicas * size % $0.lowered.unit == 0 }
  }
}

/// The costs of a tensor mesh in every way in which its axes may lie over nodes, whatever else shares these: as
/// many replicas as a node has devices fill what is left of it.
final class MeshCosts {
  /// Devices numbered as the mesh numbers them.
  let asNumbered: ClusterCost
  let all: [ClusterCost]
  /// What groups meet, by placement.
  private var routes: [[AxisReference]: DistinctRoutes] = [:]

  init(_ mesh: Mesh, _ rates: ClusterRates) {
    let own = mesh.axes.filter { $0.name != "data" }
    // A mesh of one device has no axis.
    all = rates.fills.flatMap { fill in
      let whole = Mesh([MeshAxis("data", max(fill, LayerPoint.replicas))] + own)
      return Placement.all(whole, perNode: fill).map {
        ClusterCost(rates, mesh: whole, placement: $0)
      }
    }
    asNumbered = ClusterCost(rates, mesh: mesh, placement: [])
  }

  /// The groups of `blocks` under `choices`.
  func groups(
    _ blocks: [BlockGroup], _ choices: PlanChoices, _ chains: inout ChainTable
  ) throws(ConstraintViolation) -> [LayerGroup] {
    try groups(blocks, try chains.training.openContext(choices), &chains)
  }

  /// The groups of `blocks` in `context`, whose batch every split divides.
  func groups(
    _ blocks: [BlockGroup], _ context: LoweringContext, _ chains: inout ChainTable
  ) throws(ConstraintViolation) -> [LayerGroup] {
    let training = chains.training
    let lowered = try chains.lowered(blocks, context)
    return zip(blocks, lowered).map { group, lowered in
      LayerGroup(
        lowered: lowered, routes: routes(over: lowered.axes),
        segments: group.places.map(\.segment),
        classes: group.places.map { training.block($0).graph.blockClass },
        areLast: group.places.map { $0.block + 1 == training.segments[$0.segment].blocks.count })
    }
  }

  /// The same in loops over panels; none where they cannot be.
  func panels(
    _ blocks: [BlockGroup], _ choices: PlanChoices, _ chains: inout ChainTable
  ) -> [LayerGroup] {
    var stepped = choices
    stepped.matmul = .stepped
    return (try? groups(blocks, stepped, &chains)) ?? []
  }

  /// By placement what each of `groups` meets.
  private func routes(over groups: [[AxisReference]]) -> PlacedRoutes {
    PlacedRoutes(groups.map(routes), placements: all.count)
  }

  private func routes(over axes: [AxisReference]) -> DistinctRoutes {
    if let known = routes[axes] { return known }
    let made = DistinctRoutes(over: axes, all)
    routes[axes] = made
    return made
  }
}

/// What a group of devices meets, by placement: under few of them something else.
private struct DistinctRoutes {
  /// Each once.
  private(set) var all: [Route] = []
  /// By placement, which of them.
  private(set) var places: [UInt16] = []

  /// Of a group over `axes`, `costs` being those of placements on one cluster.
  init(over axes: [AxisReference], _ costs: [ClusterCost]) {
    var spans: [GroupSpan] = []
    var routes: [UInt16] = []
    places.reserveCapacity(costs.count)
    for cost in costs {
      let span = cost.span(of: axes)
      if let known = spans.firstIndex(of: span) {
        places.append(routes[known])
        continue
      }
      let route = cost.route(over: span)
      let known = all.firstIndex(of: route)
      if known == nil { all.append(route) }
      spans.append(span)
      routes.append(UInt16(known ?? all.count - 1))
      places.append(routes[routes.count - 1])
    }
  }
}

/// What several groups of devices meet, by placement: few placements differ for few groups.
struct PlacedRoutes {
  /// Each once.
  let distinct: [[Route]]
  /// By placement, which of them.
  let places: [Int]

  fileprivate init(_ groups: [DistinctRoutes], placements: Int) {
    var places = [Int](repeating: 0, count: placements)
    var firsts = placements > 0 ? [0] : []
    for group in groups where group.all.count > 1 {
      // Pairs of what is told apart so far and what this group tells apart, as they come up.
      var pairs = [Int](repeating: -1, count: firsts.count * group.all.count)
      firsts.removeAll(keepingCapacity: true)
      for place in places.indices {
        let pair = places[place] * group.all.count + Int(group.places[place])
        if pairs[pair] < 0 {
          pairs[pair] = firsts.count
          firsts.append(place)
        }
        places[place] = pairs[pair]
      }
    }
    self.places = places
    distinct = firsts.map { first in groups.map { $0.all[Int($0.places[first])] } }
  }
}

extension BlockPasses {
  /// The same by placement, of which `places` are the places of those it is of.
  fileprivate func placed(_ places: [Int]) -> BlockPasses {
    guard places.count > times.count else { return self }
    var result = self
    result.times = places.map { times[$0] }
    if !once.isEmpty { result.once = places.map { once[$0] } }
    return result
  }
}
