import PlanIR

/// Bounds schedules and cuts of one chain under a placement, one after another.
struct CandidateBounds {
  private let orders: [PipelineOrder]
  private let times: PlacedTimes
  private let cores: SharedCores
  private let framework: Bytes
  /// What one may take at most to be kept.
  private let bar: Int
  private let isTime, isExhaustive: Bool
  /// Whether it is told what each holds.
  private let tellsMemory: Bool
  private let room: LayerRoom
  private var table: FittingTable
  /// What each stage of a cut computes again.
  private var more: [Picoseconds] = []

  init(
    _ chain: StageChain, _ times: PlacedTimes, _ cores: SharedCores, _ room: LayerRoom?,
    _ table: FittingTable, bar: Int
  ) {
    let request = chain.request
    (orders, framework) = (chain.orders, chain.framework)
    (self.times, self.cores, self.table, self.bar) = (times, cores, table, bar)
    (isTime, isExhaustive) = (request.objective == .time, request.exhaustive)
    self.room = room ?? .unlimited(chain.stages, orders: orders.count)
    tellsMemory = !isExhaustive && (!isTime || request.keepsFront)
  }

  /// A schedule and a cut; nil where a stage does not fit.
  mutating func candidate(
    _ order: Int, _ cut: StageCut, _ counts: [Int]
  ) -> StageSearch.Candidate? {
    guard room.holds(order, counts) else { return nil }
    let held = tellsMemory ? Bytes(table.bytes(order, counts)) + framework : .zero
    guard isTime else {
      return StageSearch.Candidate(order: order, cut: cut, bound: held.count, memory: held)
    }
    guard isExhaustive || table.fits(order, counts, &more) else { return nil }
    // Most cuts are left out for their busiest stage alone.
    var bound = CutBound.busiest(orders[order], times, layers: counts, more: more, cores)
    if bound <= bar {
      bound = CutBound(orders[order], times, layers: counts, more: more, cores).step
    }
    return StageSearch.Candidate(order: order, cut: cut, bound: bound, memory: held)
  }
}
