import Partitioner
import PlanIR
import Testing

/// What stages take at least, against when their orders end on random durations.
@Suite struct StageBoundTests {
  private struct Drawn {
    var passes: [PassBound] = []
    var firstChunk: [PassBound] = []
    var lastChunk: [PassBound] = []
    var times: [PassTimes] = []
  }

  /// Durations of each stage's chunks, drawn alike or apart.
  private func draw(
    _ test: ScheduleTests.Case, _ random: inout SplitMix
  ) -> Drawn {
    var drawn = Drawn()
    drawn.times = Array(
      repeating: PassTimes(forward: .zero, inputGradient: .zero, weightGradient: .zero),
      count: test.stages * test.chunks)
    for stage in 0..<test.stages {
      var sum = PassBound()
      for chunk in 0..<test.chunks {
        func time() -> Picoseconds { Picoseconds(Int.random(in: 0...1000, using: &random)) }
        let own = PassBound(
          forward: time(), inputGradient: time(), weightGradient: time())
        if chunk == 0 { drawn.firstChunk.append(own) }
        if chunk == test.chunks - 1 { drawn.lastChunk.append(own) }
        sum = PassBound(
          forward: sum.forward + own.forward,
          inputGradient: sum.inputGradient + own.inputGradient,
          weightGradient: sum.weightGradient + own.weightGradient)
        drawn.times[chunk * test.stages + stage] = PassTimes(
          forwardReceive: time(), forward: own.forward, inputGradient: own.inputGradient,
          weightGradient: own.weightGradient)
      }
      drawn.passes.append(sum)
    }
    return drawn
  }

  @Test(arguments: ScheduleTests.cases)
  func `a stage holds as many passes at its first gradient as its order takes ahead`(
    test: ScheduleTests.Case
  ) throws {
    let order = test.order
    for stage in 0..<test.stages {
      for count in 0...3 * test.chunks {
        var (all, each) = (0, [Int: Int]())
        passes: for operation in order.operations(of: stage) {
          guard case .forward(_, let chunk) = operation else { break passes }
          all += count * (chunk + 1) / test.chunks - count * chunk / test.chunks
          each[chunk, default: 0] += 1
        }
        let held = order.heldPasses(stage, layers: count)
        let expected = HeldPasses(
          all: all, layer: each.values.max() ?? 0, areSplit: test.schedule == .zeroBubble)
        #expect(held == expected, "\(stage), \(count)")
      }
    }
  }

  @Test(arguments: ScheduleTests.cases)
  func `no step of stages is shorter than their bound`(test: ScheduleTests.Case) throws {
    let seed = SplitMix.seed
    var random = SplitMix(state: seed)
    for _ in 0..<50 {
      let drawn = draw(test, &random)
      let clock = try #require(StageClock(test.order, times: drawn.times))
      let bound = CutBound(
        test.order, drawn.passes, firstChunk: drawn.firstChunk, lastChunk: drawn.lastChunk
      ).step
      #expect(bound <= (clock.ends.max() ?? .zero).count, "\(drawn), seed \(seed)")
    }
  }

  @Test(arguments: ScheduleTests.cases.filter { $0.schedule != .interleaved })
  func `no step of layers is shorter than the bound of the busiest stage`(
    test: ScheduleTests.Case
  ) throws {
    let seed = SplitMix.seed
    var random = SplitMix(state: seed)
    for _ in 0..<50 {
      func time() -> Picoseconds { Picoseconds(Int.random(in: 1...1000, using: &random)) }
      let each = PassBound(forward: time(), inputGradient: time(), weightGradient: time())
      let layers = (0..<test.stages).map { _ in Int.random(in: 1...5, using: &random) }
      let times = layers.map { count in
        PassTimes(
          forward: each.forward * count, inputGradient: each.inputGradient * count,
          weightGradient: each.weightGradient * count)
      }
      let clock = try #require(StageClock(test.order, times: times))
      let bound = StageBound(
        stages: test.stages, microBatches: test.microBatches, layers: layers.reduce(0, +),
        each: each)
      let step = bound.step(busiest: bound.busiest, isInterleaved: false)
      #expect(step <= (clock.ends.max() ?? .zero).count, "\(each), \(layers), seed \(seed)")
    }
  }

  @Test(arguments: ScheduleTests.cases.filter { $0.schedule == .interleaved })
  func `no step of layers in chunks is shorter than the bound of the busiest stage`(
    test: ScheduleTests.Case
  ) throws {
    let seed = SplitMix.seed
    var random = SplitMix(state: seed)
    for _ in 0..<50 {
      func time() -> Picoseconds { Picoseconds(Int.random(in: 1...1000, using: &random)) }
      let each = PassBound(forward: time(), inputGradient: time(), weightGradient: time())
      // Those inside differ by one layer at most, the larger ones last; only the first chunk may be empty.
      let inside = Int.random(in: test.chunks...test.chunks + 3, using: &random)
      let larger = Int.random(in: 0...max(0, test.stages - 2), using: &random)
      let layers = (0..<test.stages).map { stage in
        switch stage {
        case 0: Int.random(in: test.chunks - 1...test.chunks + 4, using: &random)
        case test.stages - 1: Int.random(in: test.chunks...test.chunks + 4, using: &random)
        default: inside + (stage >= test.stages - 1 - larger ? 1 : 0)
        }
      }
      let clock = try #require(StageClock(test.order, times: chunks(of: layers, test, each)))
      let bound = StageBound(
        stages: test.stages, microBatches: test.microBatches, layers: layers.reduce(0, +),
        each: each)
      let step = bound.step(busiest: bound.busiest, isInterleaved: true)
      #expect(step <= (clock.ends.max() ?? .zero).count, "\(each), \(layers), seed \(seed)")
    }
  }

  /// What each chunk takes of stages with `layers`, cut as plans cut them.
  private func chunks(
    of layers: [Int], _ test: ScheduleTests.Case, _ each: PassBound
  ) -> [PassTimes] {
    (0..<test.chunks).flatMap { chunk in
      layers.map { count in
        let own = count * (chunk + 1) / test.chunks - count * chunk / test.chunks
        return PassTimes(
          forward: each.forward * own, inputGradient: each.inputGradient * own,
          weightGradient: each.weightGradient * own)
      }
    }
  }
}
