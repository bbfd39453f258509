import PlanIR

/// What stages of so many layers hold at least, found once for all cuts, and what they must compute again to fit.
struct FittingTable {
  private let held: HeldStages
  private let fitting: FittingStages?
  private let orders: [PipelineOrder]
  /// Numbers of layers that are told apart.
  private let width: Int
  /// By order, stage and number of layers.
  private var known: [Entry?]

  private struct Entry {
    let bytes: Int
    /// Nil where it does not fit.
    let more: Picoseconds?
  }

  /// Of stages of `most` layers at most; nothing is asked of what must be computed again where `fitting` is nil.
  init(
    _ held: HeldStages, _ orders: [PipelineOrder], _ fitting: FittingStages? = nil, most: Int
  ) {
    (self.held, self.fitting, self.orders) = (held, fitting, orders)
    width = most + 1
    known = Array(repeating: nil, count: orders.count * held.stages * width)
  }

  /// Whether every stage of a cut fits; sets `more` to what each takes of a micro-batch more at least for that, for what
  /// it must compute again.
  mutating func fits(_ order: Int, _ counts: [Int], _ more: inout [Picoseconds]) -> Bool {
    more.removeAll(keepingCapacity: true)
    for (stage, count) in counts.enumerated() {
      guard let own = entry(order, stage, count).more else { return false }
      more.append(own)
    }
    return true
  }

  /// What the fullest stage of a cut holds at least.
  mutating func bytes(_ order: Int, _ counts: [Int]) -> Int {
    var most = 0
    for (stage, count) in counts.enumerated() {
      most = max(most, entry(order, stage, count).bytes)
    }
    return most
  }

  private mutating func entry(_ order: Int, _ stage: Int, _ count: Int) -> Entry {
    let place = (order * held.stages + stage) * width + count
    if let found = known[place] { return found }
    let passes = orders[order].heldPasses(stage, layers: count)
    let made = Entry(
      bytes: held.bytes(stage, layers: count, passes),
      more: fitting?.more(stage, layers: count, passes))
    known[place] = made
    return made
  }
}
