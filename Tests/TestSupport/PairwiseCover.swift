/// A small set of combinations in which every pair of values of two parameters occurs.
package struct PairwiseCover {
  private let counts: [Int]
  /// Where the pairs of a parameter with each later one begin in ``isOpen``.
  private var bases: [[Int]] = []
  /// The pairs that no row has yet.
  private var isOpen: [Bool] = []

  /// Rows of indices, one for each parameter of `counts` values: of all that `isAllowed` admits, the
  /// one that covers most pairs not covered yet, the first of equals, until no pair is left that any
  /// has.
  package static func rows(
    of counts: [Int], isAllowed: ([Int]) -> Bool = { _ in true }
  ) -> [[Int]] {
    var candidates: [[Int]] = [[]]
    for count in counts {
      candidates = candidates.flatMap { row in (0..<count).map { row + [$0] } }
    }
    candidates = candidates.filter(isAllowed)
    var cover = PairwiseCover(counts)
    var rows: [[Int]] = []
    while let best = cover.best(of: candidates) {
      cover.close(best)
      rows.append(best)
    }
    return rows
  }

  private init(_ counts: [Int]) {
    self.counts = counts
    var size = 0
    for first in counts.indices {
      var row: [Int] = []
      for second in counts.indices {
        row.append(size)
        if second > first { size += counts[first] * counts[second] }
      }
      bases.append(row)
    }
    isOpen = Array(repeating: true, count: size)
  }

  private func place(_ row: [Int], _ first: Int, _ second: Int) -> Int {
    bases[first][second] + row[first] * counts[second] + row[second]
  }

  private func gain(_ row: [Int]) -> Int {
    var gain = 0
    for first in row.indices {
      for second in first + 1..<row.count where isOpen[place(row, first, second)] { gain += 1 }
    }
    return gain
  }

  private func best(of candidates: [[Int]]) -> [Int]? {
    var best: (row: [Int], gain: Int)?
    for row in candidates {
      let gain = gain(row)
      if gain > (best?.gain ?? 0) { best = (row, gain) }
    }
    return best?.row
  }

  private mutating func close(_ row: [Int]) {
    for first in row.indices {
      for second in first + 1..<row.count { isOpen[place(row, first, second)] = false }
    }
  }
}
