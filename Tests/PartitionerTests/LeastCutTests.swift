import Partitioner
import PlanIR
import Testing

/// What a step takes at least over all cuts, against the bound of each cut.
@Suite struct LeastCutTests {
  /// What layers, ends and boundaries take, drawn.
  private struct Drawn {
    let each: PassBound
    let parts: StageParts

    init(_ random: inout SplitMix) {
      func passes(_ most: Int) -> PassBound {
        func time() -> Picoseconds { Picoseconds(Int.random(in: 0...most, using: &random)) }
        return PassBound(forward: time(), inputGradient: time(), weightGradient: time())
      }
      each = passes(1000)
      var parts = StageParts()
      (parts.first, parts.last) = (passes(500), passes(3000))
      (parts.arrival, parts.departure) = (passes(200), passes(200))
      self.parts = parts
    }

    /// The bound of stages of as many `layers` under `order`.
    func bound(_ order: PipelineOrder, _ layers: [Int]) -> Int {
      var (passes, firstChunk, lastChunk): ([PassBound], [PassBound], [PassBound]) = ([], [], [])
      for (stage, count) in layers.enumerated() {
        let (isFirst, isLast) = (stage == 0, stage == layers.count - 1)
        var own = times(count)
        var chunk = sum(times(count / order.chunks), parts.departure)
        var final = sum(
          times(count - count * (order.chunks - 1) / order.chunks),
          isLast ? parts.last : parts.departure)
        final = sum(final, parts.arrival)
        for _ in 0..<order.chunks - (isFirst ? 1 : 0) { own = sum(own, parts.arrival) }
        for _ in 0..<order.chunks - (isLast ? 1 : 0) { own = sum(own, parts.departure) }
        if isFirst { own = sum(own, parts.first) } else { chunk = sum(chunk, parts.arrival) }
        if isLast { own = sum(own, parts.last) }
        passes.append(own)
        firstChunk.append(chunk)
        lastChunk.append(final)
      }
      return CutBound(order, passes, firstChunk: firstChunk, lastChunk: lastChunk).step
    }

    private func times(_ count: Int) -> PassBound {
      PassBound(
        forward: each.forward * count, inputGradient: each.inputGradient * count,
        weightGradient: each.weightGradient * count)
    }

    private func sum(_ left: PassBound, _ right: PassBound) -> PassBound {
      PassBound(
        forward: left.forward + right.forward,
        inputGradient: left.inputGradient + right.inputGradient,
        weightGradient: left.weightGradient + right.weightGradient)
    }
  }

  /// Every cut of `layers` into `stages`: those inside differ by one at most, the larger ones last, and have
  /// `chunks` layers at least.
  private func cuts(of layers: Int, stages: Int, chunks: Int) -> [[Int]] {
    guard stages > 2 else { return (0...layers).map { [$0, layers - $0] } }
    let count = stages - 2
    return (0...layers).flatMap { last in
      (0...layers - last).compactMap { first -> [Int]? in
        let inside = layers - first - last
        guard inside / count >= chunks else { return nil }
        let counts = (0..<count).map {
          inside / count + ($0 >= count - inside % count ? 1 : 0)
        }
        return [first] + counts + [last]
      }
    }
  }

  @Test(arguments: ScheduleTests.cases.filter { $0.stages > 1 })
  func `no cut is bounded by less than the least of all`(test: ScheduleTests.Case) {
    let seed = SplitMix.seed
    var random = SplitMix(state: seed)
    for _ in 0..<20 {
      let drawn = Drawn(&random)
      let layers = Int.random(
        in: test.stages * test.chunks...test.stages * test.chunks + 12, using: &random)
      let least = LeastCut(
        stages: test.stages, microBatches: test.microBatches, layers: layers, each: drawn.each,
        drawn.parts
      ).step(isInterleaved: test.chunks > 1)
      #expect(least > 0)
      for cut in cuts(of: layers, stages: test.stages, chunks: test.chunks) {
        #expect(least <= drawn.bound(test.order, cut), "\(drawn), \(cut), seed \(seed)")
      }
    }
  }

  @Test(arguments: [(1, 1), (5, 3), (8, 16), (13, 64)])
  func `of two stages the least of all is that of the best cut`(
    layers: Int, microBatches: Int
  ) throws {
    let seed = SplitMix.seed
    var random = SplitMix(state: seed)
    let orders = [PipelineSchedule.oneForwardOneBackward, .zeroBubble].map {
      PipelineOrder(schedule: $0, stages: 2, chunks: 1, microBatches: microBatches)
    }
    for _ in 0..<50 {
      let drawn = Drawn(&random)
      let least = LeastCut(
        stages: 2, microBatches: microBatches, layers: layers, each: drawn.each, drawn.parts
      ).step(isInterleaved: false)
      let best = orders.flatMap { order in
        cuts(of: layers, stages: 2, chunks: 1).map { drawn.bound(order, $0) }
      }.min()
      #expect(abs(try #require(best) - least) <= 3, "\(drawn), seed \(seed)")
    }
  }
}
