import PlanIR

/// How many layers each stage can hold at most in each order of micro-batches, as much computed again as helps.
///
/// A stage of more layers holds no less, so the most that it can hold is found by halving. Exact searches within little
/// memory hold it to all cuts.
package struct LayerRoom {
  /// By order, then stage.
  private let most: [[Int]]
  /// Orders under which stages can hold all layers together.
  private let areOpen: [Bool]
  /// Layers that any stage can hold under any of these at most.
  package let fullest: Int
  /// Those that cuts can have under any of these at most.
  let limits: CutLimits

  /// Of stages that hold `held` in `bytes` each.
  package init(_ held: HeldStages, _ orders: [PipelineOrder], bytes: Int) {
    most = orders.map { order in
      (0..<held.stages).map { stage in
        Self.most(held.layers) {
          held.bytes(stage, layers: $0, order.heldPasses(stage, layers: $0)) <= bytes
        }
      }
    }
    areOpen = most.map { !$0.contains(-1) && $0.reduce(0, +) >= held.layers }
    let open = zip(most, areOpen).filter(\.1).map(\.0)
    fullest = open.flatMap(\.self).max() ?? -1
    var limits = CutLimits(most: -1, stages: held.stages)
    for own in open {
      limits.first = max(limits.first, own[0])
      limits.last = max(limits.last, own[held.stages - 1])
      // Each has no less than an even share, rounded down.
      let inside = own.dropFirst().dropLast().min() ?? 0
      limits.inside = max(limits.inside, (inside + 1) * max(0, held.stages - 2) - 1)
    }
    self.limits = limits
  }

  private init(most: [[Int]], fullest: Int, limits: CutLimits) {
    (self.most, self.fullest, self.limits) = (most, fullest, limits)
    areOpen = most.map { _ in true }
  }

  /// Of stages that can hold all layers each.
  static func unlimited(_ held: HeldStages, orders: Int) -> LayerRoom {
    let most = Array(repeating: held.layers, count: held.stages)
    return LayerRoom(
      most: Array(repeating: most, count: orders), fullest: held.layers,
      limits: CutLimits(most: held.layers, stages: held.stages))
  }

  /// Whether stages can hold as many layers each under an order.
  package func holds(_ order: Int, _ counts: [Int]) -> Bool {
    guard areOpen[order] else { return false }
    let most = most[order]
    for (stage, count) in counts.enumerated() where count > most[stage] { return false }
    return true
  }

  /// The last of the numbers up to `limit` that fit, where none does after one that does not; -1 where none does.
  private static func most(_ limit: Int, _ fits: (Int) -> Bool) -> Int {
    fits(limit) ? limit : (0..<limit).first(toMeet: { !fits($0) }) - 1
  }
}
