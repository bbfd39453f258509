import Partitioner
import PlanIR
import Testing

/// What stages hold at least, against every cut of their layers.
@Suite struct HeldStagesTests {
  /// What layers and ends hold, drawn, in bytes.
  private struct Drawn {
    let layers: Int
    let memory: HeldStages.Holdings

    init(_ test: ScheduleTests.Case, _ random: inout SplitMix) {
      layers = Int.random(in: max(1, test.stages - 2)...test.stages + 4, using: &random)
      func bytes(_ most: Int) -> Int { Int.random(in: 0...most, using: &random) }
      let kept = bytes(400)
      var memory = HeldStages.Holdings(parameters: bytes(1000))
      memory.kept = [.none: kept, .full: min(kept, bytes(400))]
      (memory.transient, memory.owed) = (bytes(200), bytes(kept))
      // Now and then the ends hold more than all layers.
      let ends = bytes(1) == 0 ? 1000 : 20000
      (memory.first, memory.last, memory.head) = (bytes(ends), bytes(ends), bytes(ends))
      self.memory = memory
    }

    func held(_ order: PipelineOrder) -> HeldStages {
      HeldStages(order, layers: layers, memory)
    }
  }

  /// All ways to cut `layers` into `stages`.
  private func cuts(_ layers: Int, _ stages: Int) -> [[Int]] {
    guard stages > 1 else { return [[layers]] }
    return (0...layers).flatMap { first in
      cuts(layers - first, stages - 1).map { [first] + $0 }
    }
  }

  /// What the fullest of stages of as many layers holds.
  private func fullest(_ held: HeldStages, _ order: PipelineOrder, _ layers: [Int]) -> Int {
    layers.enumerated().reduce(0) { most, own in
      let (stage, count) = own
      return max(
        most, held.bytes(stage, layers: count, order.heldPasses(stage, layers: count)))
    }
  }

  static let cases = ScheduleTests.cases.filter { $0.stages <= 4 }

  @Test(arguments: cases)
  func `the fullest stage of no cut holds less than the least of all`(test: ScheduleTests.Case) {
    let seed = SplitMix.seed
    var random = SplitMix(state: seed)
    for _ in 0..<50 {
      let drawn = Drawn(test, &random)
      let held = drawn.held(test.order)
      let best = cuts(drawn.layers, test.stages).map { fullest(held, test.order, $0) }.min() ?? 0
      #expect(held.evenBytes <= best, "\(drawn), seed \(seed)")
      let least = held.leastBytes(isInterleaved: test.schedule == .interleaved)
      #expect(least <= best, "\(drawn), seed \(seed)")
    }
  }

  @Test(arguments: cases)
  func `stages have room for just those cuts none of whose stages holds more`(
    test: ScheduleTests.Case
  ) {
    let seed = SplitMix.seed
    var random = SplitMix(state: seed)
    for _ in 0..<50 {
      let drawn = Drawn(test, &random)
      let held = drawn.held(test.order)
      let cuts = cuts(drawn.layers, test.stages)
      let limit = fullest(held, test.order, cuts.randomElement(using: &random) ?? [])
      let room = LayerRoom(held, [test.order], bytes: limit)
      for cut in cuts {
        let fits = fullest(held, test.order, cut) <= limit
        #expect(room.holds(0, cut) == fits, "\(drawn), \(cut), seed \(seed)")
        if fits { #expect((cut.max() ?? 0) <= room.fullest) }
      }
    }
  }

  @Test func `a stage without layers holds no more than one whose layers hold nothing`() {
    var memory = HeldStages.Holdings(parameters: 0)
    (memory.last, memory.head) = (13_912, 16_801)
    let order = PipelineOrder(schedule: .gpipe, stages: 2, chunks: 1, microBatches: 2)
    let held = HeldStages(order, layers: 2, memory)
    let bytes = (0...2).map { held.bytes(1, layers: $0, order.heldPasses(1, layers: $0)) }
    #expect(bytes == [bytes[0], bytes[0], bytes[0]])
  }

  @Test func `an even share in parts of layers is what equal stages hold`() {
    var memory = HeldStages.Holdings(parameters: 1000)
    memory.kept = [.none: 100]
    let order = PipelineOrder(schedule: .gpipe, stages: 1, chunks: 1, microBatches: 1)
    // Ten layers that each hold their parameters and keep one micro-batch.
    let held = HeldStages(order, layers: 10, memory)
    #expect((10_999...11_000).contains(held.evenBytes))
    #expect((10_999...11_000).contains(held.leastBytes(isInterleaved: false)))
  }
}
