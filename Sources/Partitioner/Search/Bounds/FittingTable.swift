import PlanIR

/// What stages of so many layers must compute again to fit, found once for all cuts, and what they hold.
struct FittingTable {
  private let fitting: FittingStages
  private let orders: [PipelineOrder]
  private let most: Int
  /// By order, stage and number of layers.
  private var known: [Entry?]

  private enum Entry {
    case fits(more: Picoseconds)
    case doesNotFit
  }

  init(_ fitting: FittingStages, _ orders: [PipelineOrder], layers most: Int) {
    (self.fitting, self.orders, self.most) = (fitting, orders, most)
    known = Array(repeating: nil, count: orders.count * fitting.stages * (most + 1))
  }

  /// What each stage of a cut takes of a micro-batch more at least, for what it must compute again; nil where one
  /// does not fit.
  mutating func more(_ order: Int, _ counts: [Int]) -> [Picoseconds]? {
    var result: [Picoseconds] = []
    result.reserveCapacity(counts.count)
    for (stage, count) in counts.enumerated() {
      guard case .fits(let more) = entry(order, stage, count) else { return nil }
      result.append(more)
    }
    return result
  }

  private mutating func entry(_ order: Int, _ stage: Int, _ count: Int) -> Entry {
    let place = (order * fitting.stages + stage) * (most + 1) + count
    if let found = known[place] { return found }
    let passes = orders[order].heldPasses(stage, layers: count)
    let made = fitting.more(stage, layers: count, passes).map(Entry.fits) ?? .doesNotFit
    known[place] = made
    return made
  }

  /// What the fullest stage of a cut holds at least.
  func bytes(_ order: Int, _ counts: [Int]) -> Int {
    let bytes = counts.enumerated().map { stage, count in
      fitting.bytes(stage, layers: count, orders[order].heldPasses(stage, layers: count))
    }
    return bytes.max() ?? 0
  }
}
