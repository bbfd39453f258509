import PlanIR

/// The traces of orders, each found once, as long as there is room for them.
struct TraceTable {
  private var known: [PipelineOrder: StageTrace?] = [:]
  /// Events of all of them.
  private var events = 0
  private static let mostEvents = 1 << 23

  init() {}

  /// Nil of one stage.
  mutating func of(_ order: PipelineOrder) -> StageTrace? {
    guard order.stages > 1 else { return nil }
    if let found = known[order] { return found }
    let made = StageTrace(order)
    events += made?.events.count ?? 0
    if events > Self.mostEvents { (known, events) = ([:], made?.events.count ?? 0) }
    known[order] = made
    return made
  }
}
