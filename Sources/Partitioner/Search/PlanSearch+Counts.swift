import PlanIR

extension PlanSearch {
  /// How many candidates there are of a node under one of its placements.
  mutating func each(_ node: LoweredNode) -> Int {
    counts.of(node.node) / node.placements.count
  }

  /// Counts what an item that is left out stands for.
  mutating func prune(_ item: Item) {
    let count: Int
    switch item {
    case .point(let point):
      let choices = points[point].choices
      count = points[point].splits.reduce(0) { $0 + counts.of($1, choices) }
    case .spread(let point, let split, let sizes):
      let choices = points[point].choices
      count = counts.of(split, choices, microBatches: sizes.map(\.size))
    case .batch(let point, let split, let size, _):
      count = counts.of(split, points[point].choices, microBatches: [size])
    case .open(let node), .leaner(let node, _): count = counts.of(node)
    case .lowered(let node, let next): count = each(node) * (node.ranked.count - next)
    case .stages(let search, let next): count = search.count(from: next)
    case .placed(let node, _): count = each(node)
    case .fitted, .limited: count = 1
    }
    ranking.prune(count: count)
  }
}
