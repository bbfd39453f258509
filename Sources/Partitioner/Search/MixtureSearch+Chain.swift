import PlanIR

// What whole mixtures hold, and how their backward passes go.

extension MixtureSearch {
  /// The peak of the mixture's fullest device, and what exchanges beside kernels take.
  mutating func peak(
    _ assignment: Assignment, _ blocks: [BlockGroup: [MixedBlock]], _ choices: PlanChoices
  ) -> Bytes {
    let chain = chain(assignment, blocks, choices, empty: PricedBlock(), \.memory) {
      $0.memory($1, $2, fill: $3)
    }
    let precision = training.workload.precision
    let peak = MemoryModel<TotalBytes>(chain: chain.map { HeldBlock($0) }, precision: precision)
      .peak().bytes
    return Bytes(peak)
      + choices.exchangeBuffers(chain.mostWeights, precision, request.cluster.device)
  }

  /// The mixture's chain of what `item` has of its blocks, `empty` where that is nothing, and `joint` of its
  /// joints at as many units of batch.
  mutating func chain<Item>(
    _ assignment: Assignment, _ known: [BlockGroup: [MixedBlock]], _ choices: PlanChoices,
    empty: Item, _ item: (MixedBlock) -> Item,
    joint: (_ profile: JointProfile, _ units: Int, SearchRequest, _ fill: Int) -> Item
  ) -> ChainParts<Item> {
    var blocks = training.segments.map { $0.blocks.map { _ in empty } }
    for (group, own) in known {
      for (place, block) in zip(group.places, own) {
        blocks[place.segment][place.block] = item(block)
      }
    }
    let classes = training.segments.map { $0.blocks.map(\.graph.blockClass) }
    var joints: [[Item?]] = []
    var exits: [Item?] = []
    for (index, own) in classes.enumerated() {
      var row: [Item?] = []
      for (place, giver) in own.enumerated() {
        let found = between(giver, own[(place + 1) % own.count], assignment, choices)
        row.append(found.map { joint($0.profile, $0.units, request, fill) })
      }
      joints.append(row)
      var exit: Item?
      if index + 1 < classes.count, let giver = own.last, let taker = classes[index + 1].first {
        let found = between(giver, taker, assignment, choices)
        exit = found.map { joint($0.profile, $0.units, request, fill) }
      }
      exits.append(exit)
    }
    return ChainParts(
      counts: training.segments.map(\.count), blocks: blocks, joints: joints, exits: exits,
      areLayers: training.areLayers)
  }

  /// The joint between blocks of two classes, and the units of batch that it has; nil where nothing moves.
  private mutating func between(
    _ giver: BlockClass, _ taker: BlockClass, _ assignment: Assignment, _ choices: PlanChoices
  ) -> (profile: JointProfile, units: Int)? {
    let (from, to) = (assignment[giver], assignment[taker])
    guard from != to, let found = joint(from, to, choices), let profile = found.profile else {
      return nil
    }
    return (profile, data * choices.microBatch / profile.unit)
  }
}

/// A block of a mixture: what it holds, and its backward pass.
struct MixedBlock {
  let memory: PricedBlock
  let backward: BackwardWork

  /// The blocks of `group`, devices as the mesh numbers them.
  static func all(_ group: PricedGroup) -> [MixedBlock] {
    zip(group.blocks, group.backward(placement: 0)).map {
      MixedBlock(memory: $0.memory, backward: $1)
    }
  }
}
