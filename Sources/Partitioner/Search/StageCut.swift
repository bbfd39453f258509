import PlanIR

/// Layers of the first and the last stage; those of the others differ by one at most, the larger ones last.
package struct StageCut: Hashable {
  package let first, last: Int

  /// The layers of each of `stages`, of `layers` in all.
  package func layers(_ layers: Int, stages: Int) -> [Int] {
    guard stages > 1 else { return [layers] }
    let (inside, count) = (layers - first - last, stages - 2)
    let counts = (0..<count).map { stage in
      inside / count + (stage >= count - inside % count ? 1 : 0)
    }
    return [first] + counts + [last]
  }
}

/// Layers of the first stage at most, of the last, and of those inside together.
package struct CutLimits {
  package var first, inside, last: Int

  /// Of `stages` of `most` layers each.
  package init(most: Int, stages: Int) {
    (first, last) = (most, most)
    let (inside, overflow) = most.multipliedReportingOverflow(by: max(0, stages - 2))
    self.inside = overflow ? Int.max : inside
  }

  /// The lesser of each.
  func least(_ other: CutLimits) -> CutLimits {
    var result = self
    result.first = min(first, other.first)
    result.inside = min(inside, other.inside)
    result.last = min(last, other.last)
    return result
  }
}

/// The ways to cut layers into stages, each of those inside with one at least.
package struct CutSpace {
  let layers, stages: Int

  package init(layers: Int, stages: Int) { (self.layers, self.stages) = (layers, stages) }

  private var inside: Int { max(0, stages - 2) }

  /// How many there are.
  package var count: Int {
    guard stages > 2 else { return stages == 2 ? layers + 1 : 1 }
    let free = layers - inside
    return free < 0 ? 0 : (free + 1) * (free + 2) / 2
  }

  /// How many there are within `limits`.
  func count(_ limits: CutLimits) -> Int {
    guard limits.last >= 0 else { return 0 }
    return (0...lastOfLast(limits)).reduce(0) { $0 + (firsts(last: $1, limits)?.count ?? 0) }
  }

  /// All of them.
  package var all: [StageCut] { cuts(CutLimits(most: layers, stages: stages)) }

  /// Whether `cut` is one.
  func contains(_ cut: StageCut) -> Bool {
    let all = CutLimits(most: layers, stages: stages)
    guard (0...lastOfLast(all)).contains(cut.last) else { return false }
    return firsts(last: cut.last, all)?.contains(cut.first) ?? false
  }

  /// Those within `limits`, but for those of which no stage has more than `known`.
  func cuts(_ limits: CutLimits, beyond known: Int = -1) -> [StageCut] {
    guard limits.last >= 0 else { return [] }
    let few = CutLimits(most: known, stages: stages)
    return (0...lastOfLast(limits)).flatMap { last -> [StageCut] in
      guard let firsts = firsts(last: last, limits) else { return [] }
      let isKnown = known >= 0 && last <= few.last ? self.firsts(last: last, few) : nil
      return firsts.filter { !(isKnown?.contains($0) ?? false) }
        .map { StageCut(first: $0, last: last) }
    }
  }

  private func lastOfLast(_ limits: CutLimits) -> Int {
    stages > 1 ? min(limits.last, layers) : 0
  }

  /// What the first stage may have where the last has `last`.
  private func firsts(last: Int, _ limits: CutLimits) -> ClosedRange<Int>? {
    let rest = layers - last
    let least = inside > 0 ? max(0, rest - limits.inside) : rest
    let most = min(limits.first, rest - inside)
    return least <= most ? least...most : nil
  }
}

/// All ways to cut layers into stages, a few at a time: first those whose fullest stage has about an even share, then ever
/// wider ranges of what it has.
package struct StageCuts {
  private let space: CutSpace
  private let even: Int
  /// Layers of the fullest stage of those that were given, at most.
  package private(set) var most = -1
  /// How many are left.
  package private(set) var left: Int

  /// Some of them, with how many were left out for what stages hold, and for what they take.
  package struct Part {
    package var cuts: [StageCut] = []
    package var over = 0
    package var beaten = 0
  }

  package init(layers: Int, stages: Int) {
    space = CutSpace(layers: layers, stages: stages)
    even = (layers + stages - 1) / stages
    left = space.count
  }

  /// Leaves all others out.
  mutating func leave() { left = 0 }

  /// The next of them, none with more than `cap` layers on a stage: of those that stages have `room` for, where that is
  /// known, those that they have time for; all that there are where asked for `all`.
  package mutating func next(
    upTo cap: Int, room: CutLimits? = nil, time: CutLimits? = nil, all: Bool = false
  ) -> Part {
    let wider = most < 0 ? even + 1 : most + max(1, most - even)
    let own = all ? cap : min(cap, wider)
    guard own > most else { return Part() }
    let limits = CutLimits(most: own, stages: space.stages)
    let held = room.map(limits.least) ?? limits
    let cuts = space.cuts(time.map(held.least) ?? held, beyond: most)
    let count = new(limits)
    let fitting = room == nil ? count : new(held)
    defer {
      most = own
      left -= count
    }
    return Part(cuts: cuts, over: count - fitting, beaten: fitting - cuts.count)
  }

  /// How many cuts within `limits` were not given.
  private func new(_ limits: CutLimits) -> Int {
    let known = limits.least(CutLimits(most: most, stages: space.stages))
    return space.count(limits) - (most < 0 ? 0 : space.count(known))
  }
}
