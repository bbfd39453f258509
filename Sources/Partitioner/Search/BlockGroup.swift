import PlanIR

/// Blocks that are lowered together: one alone, or those that share parameters or the padding of the
/// vocabulary.
struct BlockGroup: Hashable {
  /// Segment and place of each, in the order of the chain.
  let places: [Place]

  struct Place: Hashable {
    let segment, block: Int
  }
}

extension BlockGroup {
  /// A chain's blocks in groups: see ``TrainingGraph/groups``.
  static func groups(
    of segments: [TrainingGraph.Segment]
  ) -> (ends: BlockGroup, layers: [BlockGroup]) {
    let blocks = segments.flatMap(\.blocks)
    let borrowed = Set(blocks.flatMap { $0.graph.parameters.filter { !$0.isOwn }.map(\.name) })
    var ends: [BlockGroup.Place] = []
    var layers: [BlockGroup] = []
    for (segment, description) in segments.enumerated() {
      for (index, block) in description.blocks.enumerated() {
        let place = BlockGroup.Place(segment: segment, block: index)
        let isShared = block.graph.parameters.contains { borrowed.contains($0.name) }
        let isEnd = block.graph.blockClass == .embedding || block.graph.blockClass == .head
        if isEnd || isShared {
          ends.append(place)
        } else {
          layers.append(BlockGroup(places: [place]))
        }
      }
    }
    return (BlockGroup(places: ends), layers)
  }
}

extension TrainingGraph {
  func block(_ place: BlockGroup.Place) -> GradientGraph {
    segments[place.segment].blocks[place.block]
  }
}
