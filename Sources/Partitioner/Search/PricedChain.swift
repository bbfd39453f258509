import PlanIR

/// A chain of priced groups.
struct PricedChain {
  private let groups: [(group: PricedGroup, layers: [Int])]

  init(_ training: TrainingGraph, _ places: [BlockGroup], _ priced: [PricedGroup]) {
    groups = zip(places, priced).map { place, group in
      (group, place.places.map { training.segments[$0.segment].count })
    }
  }

  /// The peak of the fullest device of a chain of `blocks`, by group.
  static func memory(
    _ training: TrainingGraph, _ places: [BlockGroup], _ blocks: [[ProfiledBlock]],
    _ precision: Precision
  ) -> Bytes {
    var chain = training.segments.map { $0.blocks.map { _ in PricedBlock() } }
    for (group, priced) in zip(places, blocks) {
      for (place, block) in zip(group.places, priced) {
        chain[place.segment][place.block] = block.memory
      }
    }
    let parts = ChainParts(
      counts: training.segments.map(\.count), blocks: chain,
      joints: chain.map { $0.map { _ in nil } }, exits: chain.map { _ in nil })
    let peak = MemoryModel<TotalBytes>(chain: parts.map { HeldBlock($0) }, precision: precision)
      .peak().bytes
    return Bytes(peak)
  }

  /// The time of a step under a placement.
  func time(microBatches: Int, placement: Int) -> Picoseconds {
    groups.reduce(.zero) { sum, item in
      sum
        + item.group.time(
          layers: item.layers, microBatches: microBatches, placement: placement)
    }
  }
}
