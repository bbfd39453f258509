import Partitioner
import Testing

/// The cuts of layers into stages, against a list of all of them.
@Suite struct StageCutsTests {
  /// Numbers of layers and stages: fewer of these, as many, and more.
  static let chains = [
    (1, 1), (7, 1), (0, 2), (1, 2), (9, 2), (2, 3), (1, 3), (12, 3), (24, 4), (31, 5), (6, 8),
    (40, 7),
  ]

  /// Every choice of first and last that leaves each stage inside a layer.
  private func all(_ layers: Int, _ stages: Int) -> Set<[Int]> {
    if stages == 1 { return [[layers]] }
    var found: Set<[Int]> = []
    for first in 0...layers {
      for last in 0...(layers - first) {
        let (rest, inside) = (layers - first - last, stages - 2)
        guard inside > 0 ? rest >= inside : rest == 0 else { continue }
        let counts = (0..<inside).map { (rest + $0) / inside }
        found.insert([first] + counts + [last])
      }
    }
    return found
  }

  @Test(arguments: chains)
  func `all cuts are given once, those of fewer layers on the fullest stage first`(
    _ layers: Int, _ stages: Int
  ) {
    let all = all(layers, stages)
    #expect(CutSpace(layers: layers, stages: stages).count == all.count)
    var cuts = StageCuts(layers: layers, stages: stages)
    var found: Set<[Int]> = []
    var before = -1
    while cuts.left > 0 {
      let part = cuts.next(upTo: layers)
      #expect(part.over == 0 && part.beaten == 0)
      for cut in part.cuts {
        let counts = cut.layers(layers, stages: stages)
        let most = counts.max() ?? 0
        #expect(most > before && most <= cuts.most)
        #expect(found.insert(counts).inserted)
      }
      if cuts.most >= layers { break }
      before = cuts.most
    }
    #expect(found == all)
    #expect(cuts.left == 0)
  }

  @Test(arguments: chains, [0, 1, 3, 8])
  func `cuts beyond what stages have room and time for are counted alone`(
    _ chain: (Int, Int), _ most: Int
  ) {
    let (layers, stages) = chain
    var room = CutLimits(most: most + 2, stages: stages)
    room.first = most + 1
    var time = CutLimits(most: most + 1, stages: stages)
    time.last = most
    func fits(_ counts: [Int], _ limits: CutLimits) -> Bool {
      if stages == 1 { return counts[0] <= limits.first }
      let inside = counts.dropFirst().dropLast().reduce(0, +)
      return counts[0] <= limits.first && (counts.last ?? 0) <= limits.last
        && inside <= limits.inside
    }
    let all = all(layers, stages)
    let held = all.filter { fits($0, room) }
    let expected = held.filter { fits($0, time) }
    var cuts = StageCuts(layers: layers, stages: stages)
    var (found, over, beaten) = (Set<[Int]>(), 0, 0)
    while cuts.left > 0 && cuts.most < layers {
      let part = cuts.next(upTo: layers, room: room, time: time)
      found.formUnion(part.cuts.map { $0.layers(layers, stages: stages) })
      (over, beaten) = (over + part.over, beaten + part.beaten)
    }
    #expect(found == expected)
    #expect(over == all.count - held.count)
    #expect(beaten == held.count - expected.count)
  }
}
