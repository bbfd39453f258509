import PlanIR

/// The front of time and memory: what is looked at takes no less than all before it, and so must hold less than the
/// leanest plan found that takes less. As that falls, what waits is bounded again.
extension PlanSearch {
  /// Whether the front is asked for, and what is not of it left out.
  var findsFront: Bool { request.keepsFront && !request.exhaustive }

  /// What is asked of plans that take `step` at least.
  func asked(atLeast step: Int) -> SearchRequest {
    guard findsFront, let ceiling = ranking.ceiling(atLeast: step) else { return request }
    var asked = request
    asked.memory = .bytes(ceiling - Bytes(1))
    return asked
  }

  /// Counts what does not fit as `asked`.
  mutating func leaveOut(_ count: Int, _ asked: SearchRequest) {
    if asked.memory == request.memory {
      ranking.refuseOverMemory(count: count)
    } else {
      ranking.prune(count: count)
    }
  }

  /// Bounds `item`, at `bound`, again; puts it back or leaves it out where it takes longer to hold as little as it must
  /// by now, and says so.
  mutating func tighten(_ item: Item, _ bound: Int) -> Bool {
    guard findsFront else { return false }
    let asked = asked(atLeast: bound)
    guard asked.memory != request.memory else { return false }
    switch item {
    case .open(let node):
      guard let known = node.bound else { return false }
      return put(item, from: bound, to: known.bound(asked)) { search in
        search.prune(item)
        search.reviveLeaner(item)
      }
    case .lowered(let node, let next):
      let own = node.bound(asked, rank: next)
      guard own.map({ $0 > bound }) ?? true else { return false }
      push(node, next + 1)
      return put(.placed(node, rank: next), from: bound, to: own) { $0.prune(item) }
    case .placed(let node, let rank):
      return put(item, from: bound, to: node.bound(asked, rank: rank)) { $0.prune(item) }
    case .stages(let search, let next):
      guard !search.mustGrow(before: next) else { return false }
      let own = search.next(next, within: asked.limit) ?? search.candidates.count
      guard own != next else { return false }
      ranking.prune(count: own - next)
      push(search, own)
      return true
    case .fitted(let search, let fitted):
      guard let limit = asked.limit, fitted.memory > limit else { return false }
      heap.push(.limited(search, fitted.candidate, limit: limit), bound: bound)
      return true
    default: return false
    }
  }

  /// Puts `item` back where it takes `own`, more than `bound`; leaves it out as `out` says where that is nil.
  private mutating func put(
    _ item: Item, from bound: Int, to own: Int?, _ out: (inout PlanSearch) -> Void
  ) -> Bool {
    guard let own else {
      out(&self)
      return true
    }
    guard own > bound else { return false }
    heap.push(item, bound: own)
    return true
  }

  /// Finds what takes least of a schedule and a cut that holds no more than `limit`, and than it must by now.
  mutating func fit(
    _ search: StageSearch, _ candidate: StageSearch.Candidate, _ limit: Bytes?,
    atLeast least: Int
  ) {
    let limit = [limit, asked(atLeast: least).limit].compactMap(\.self).min()
    guard let bound = search.bound(candidate, limit) else { return ranking.prune(count: 1) }
    guard bound <= least else {
      return heap.push(.limited(search, candidate, limit: limit), bound: bound)
    }
    guard let fitted = search.fitted(candidate, limit, &ranking) else { return }
    heap.push(.fitted(search, fitted), bound: max(least, fitted.bound))
  }

  /// Goes on with what of a schedule and a cut holds less than what was priced of it.
  mutating func lean(
    _ search: StageSearch, _ fitted: StageSearch.Fitted, atLeast least: Int
  ) {
    guard findsFront else { return }
    heap.push(
      .limited(search, fitted.candidate, limit: fitted.memory - Bytes(1)), bound: least)
  }
}
