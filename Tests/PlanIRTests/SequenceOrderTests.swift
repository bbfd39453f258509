import PlanIR
import Testing

@Suite struct SequenceOrderTests {
  @Test func `zigzag gives each part a chunk from either end`() {
    let order = SequenceOrder.zigzag(parts: 2)
    #expect(order.positions(of: 0..<8, among: 8) == [0, 1, 6, 7, 2, 3, 4, 5])
    let identity = SequenceOrder.identity.positions(of: 3..<6, among: 8)
    #expect(identity == [3, 4, 5])
  }

  @Test(arguments: [(1, 2), (2, 8), (3, 12), (4, 64), (8, 48)])
  func `every place is a position of its own`(_ parts: Int, _ count: Int) {
    let positions = SequenceOrder.zigzag(parts: parts).positions(of: 0..<count, among: count)
    #expect(positions.sorted() == Array(0..<count))
    let sums = (0..<parts).map { part in
      positions[part * count / parts..<(part + 1) * count / parts].reduce(0, +)
    }
    #expect(Set(sums).count == 1)
  }

  @Test func `runs are cut where positions jump, rows counted in the part`() {
    let order = SequenceOrder.zigzag(parts: 2)
    #expect(
      order.runs(of: 0..<4, among: 8) == [
        SequenceRun(row: 0, position: 0, count: 2), SequenceRun(row: 2, position: 6, count: 2),
      ])
    // The chunks in the middle are neighbours.
    #expect(order.runs(of: 4..<8, among: 8) == [SequenceRun(row: 0, position: 2, count: 4)])
    #expect(
      order.runs(of: 3..<6, among: 8) == [
        SequenceRun(row: 0, position: 7, count: 1), SequenceRun(row: 1, position: 2, count: 2),
      ])
    #expect(
      SequenceOrder.identity.runs(of: 3..<6, among: 8)
        == [SequenceRun(row: 0, position: 3, count: 3)])
  }
}
