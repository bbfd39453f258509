import PlanIR

/// A group of blocks of layers, with the network that it meets in every way in which its mesh may lie over nodes.
struct LayerGroup {
  let lowered: LoweredGroup
  /// What the groups over which it communicates meet, by placement.
  let placements: AlikePlacements
  /// The segment and class of each of its blocks.
  let segments: [Int]
  let classes: [BlockClass]
  /// Of each block its place in the layer, and whether it is the last.
  let places: [Int]
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
      own[index]?.addPlacements(of: stepped)
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
          units, cost, group.placements.routes, isLast: group.areLast[index], isShared: true
        ).placed(group.placements.places, block: group.places[index])
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
  private let table: RouteTable

  init(_ mesh: Mesh, _ rates: ClusterRates) {
    let own = mesh.axes.filter { $0.name != "data" }
    // A mesh of one device has no axis.
    all = rates.fills.flatMap { fill in
      let whole = Mesh([MeshAxis("data", max(fill, LayerPoint.replicas))] + own)
      return Placement.all(whole, perNode: fill).map {
        ClusterCost(rates, mesh: whole, placement: $0)
      }
    }
    table = RouteTable(all)
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
        lowered: lowered, placements: routes(over: lowered.axes),
        segments: group.places.map(\.segment),
        classes: group.places.map { training.block($0).graph.blockClass },
        places: group.places.map(\.block),
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
  func routes(over groups: [[AxisReference]]) -> AlikePlacements {
    AlikePlacements(groups.map(table.routes), placements: all.count)
  }
}

extension BlockPasses {
  /// Adds what the same blocks take otherwise, as under more placements.
  fileprivate mutating func addPlacements(of other: BlockPasses?) {
    guard let other else { return }
    for index in blocks.indices { blocks[index].times += other.blocks[index].times }
    times += other.times
  }

  /// The same of the block at a place of its layer, by placement, of which `places` are the places of those it is of.
  fileprivate func placed(_ places: [Int], block: Int) -> BlockPasses {
    var result = self
    if places.count > times.count {
      result.times = places.map { times[$0] }
      if !once.isEmpty { result.once = places.map { once[$0] } }
    }
    result.blocks = [PlacedBlock(place: block, times: result.times)]
    return result
  }
}
