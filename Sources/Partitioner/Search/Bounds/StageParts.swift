import PlanIR

/// What stages take beside layers.
package struct StageParts: Sendable {
  /// What comes before all layers, and after, of a micro-batch.
  package var first = PassBound()
  package var last = PassBound()
  /// The same once a step.
  var firstOnce = OnceBound()
  var lastOnce = OnceBound()
  /// What arriving at a stage, and departing from one, takes of a micro-batch.
  package var arrival = PassBound()
  package var departure = PassBound()
  /// What comes before all layers, and after, holds.
  var memory = EndsMemory()

  package init() {}

  /// The lesser of each.
  func least(_ other: StageParts) -> StageParts {
    var result = StageParts()
    (result.first, result.last) = (first.least(other.first), last.least(other.last))
    result.firstOnce = firstOnce.least(other.firstOnce)
    result.lastOnce = lastOnce.least(other.lastOnce)
    result.arrival = arrival.least(other.arrival)
    result.departure = departure.least(other.departure)
    result.memory = memory.least(other.memory)
    return result
  }

  /// All of a micro-batch on so many stages.
  func all(stages: Int) -> Picoseconds {
    first.all + last.all + (arrival.all + departure.all) * (stages - 1)
  }

  /// Adds what a segment before or after all layers takes of a micro-batch, and `once` a step; what lies among
  /// them is left out.
  mutating func add(_ passes: PassBound, once: OnceBound, _ segment: Int, _ layers: LayerRange) {
    if layers.isAfter(segment) {
      (first, firstOnce) = (first + passes, firstOnce + once)
    } else if layers.isBefore(segment) {
      (last, lastOnce) = (last + passes, lastOnce + once)
    }
  }
}

/// Where the layers of a chain lie among its segments.
struct LayerRange {
  private let first, last: Int

  init(_ areLayers: [Bool]) {
    (first, last) = (areLayers.firstIndex(of: true) ?? 0, areLayers.lastIndex(of: true) ?? -1)
  }

  /// Whether all layers come before `segment`.
  func isBefore(_ segment: Int) -> Bool { segment > last }

  /// Whether all layers come after `segment`.
  func isAfter(_ segment: Int) -> Bool { segment < first }

  /// The blocks of `chain` before its layers, and after them.
  func ends<Item>(of chain: ChainParts<Item>) -> (first: [Item], last: [Item]) {
    func blocks(_ isIncluded: (Int) -> Bool) -> [Item] {
      chain.blocks.indices.filter(isIncluded).flatMap { segment in
        (0..<chain.counts[segment]).flatMap { _ in chain.blocks[segment] }
      }
    }
    return (blocks(isAfter), blocks(isBefore))
  }

  /// Of the boundaries inside and after each segment those where a chain may be cut.
  static func cuts<Boundary>(
    _ boundaries: [(inside: Boundary?, after: Boundary?)], areLayers: [Bool], counts: [Int]
  ) -> [Boundary?] {
    boundaries.enumerated().flatMap { segment, boundary -> [Boundary?] in
      let mayCutInside = areLayers[segment] && counts[segment] > 1
      return (mayCutInside ? [boundary.inside] : [])
        + (segment + 1 < boundaries.count ? [boundary.after] : [])
    }
  }
}
