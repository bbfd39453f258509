import PlanIR

/// The traces of orders, each found once.
struct TraceTable {
  private var known: [PipelineOrder: StageTrace?] = [:]

  init() {}

  /// Nil of one stage.
  mutating func of(_ order: PipelineOrder) -> StageTrace? {
    guard order.stages > 1 else { return nil }
    if let found = known[order] { return found }
    let made = StageTrace(order)
    known[order] = made
    return made
  }
}
