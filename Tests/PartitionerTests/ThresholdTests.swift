import Partitioner
import PlanIR
import TestSupport
import Testing

/// How far the choice between two plans holds, held against whole predictions on changed clusters.
@Suite struct ThresholdTests {
  private let sample: ThresholdSample

  init() throws { sample = try ThresholdSample.shared.get() }

  /// Whether the winner is no slower where `rate` is `value`, by whole predictions.
  private func winnerWins(
    _ pair: ThresholdSample.Pair, _ rate: ClusterRate, at value: Double
  ) throws -> Bool {
    let cluster = rate.setting(value, on: pair.plan.cluster)
    let steps = try [pair.winner, pair.loser].map { plan in
      try Partitioner.predict(sample.training, choices: plan.choices, cluster: cluster).step
    }
    return steps[0] <= steps[1]
  }

  @Test func `the order of two plans is another 1 % on either side of each threshold`() throws {
    var seen: Set<ClusterRate> = []
    var directions: Set<Bool> = []
    for pair in sample.pairs {
      for flip in pair.thresholds.flips {
        let toPresent = flip.isBelow ? 1.01 : 1 / 1.01
        let before = try winnerWins(pair, flip.rate, at: flip.flipsAt * toPresent)
        let after = try winnerWins(pair, flip.rate, at: flip.flipsAt / toPresent)
        #expect(before && !after, "\(flip): \(pair)")
        seen.insert(flip.rate)
        directions.insert(flip.isBelow)
      }
    }
    let all = ClusterRate.all(of: SyntheticCluster.cluster, .mixed)
    #expect(seen == Set(all) && directions.count == 2, "\(seen)")
  }

  @Test func `the order stays where no threshold is found`() throws {
    var count = 0
    for pair in sample.pairs {
      for rate in pair.thresholds.held {
        for factor in [1e-3, 0.1, 10, 1e3] {
          let value = factor * rate.value(on: pair.plan.cluster)
          let stays = try winnerWins(pair, rate, at: value)
          #expect(stays, "\(factor) of \(rate): \(pair)")
          count += 1
        }
      }
    }
    #expect(count > 0)
  }

  @Test func `the winner is the faster plan, and roles do not matter`() throws {
    for pair in sample.pairs {
      #expect(pair.winner.predicted.step < pair.loser.predicted.step)
    }
    for pair in sample.pairs.prefix(5) {
      let swapped = try Thresholds.between(pair.other, pair.plan, sample.training)
      #expect(swapped.flips == pair.thresholds.flips && swapped.held == pair.thresholds.held)
      #expect(swapped.winner == pair.thresholds.winner.opposite)
      #expect(swapped.leastMemory == pair.thresholds.leastMemory)
    }
  }

  /// Without latency and stages a step is a + b / bandwidth: two such lines cross in one place.
  @Test func `on one network the threshold is where two lines cross`() throws {
    var cluster = SyntheticCluster.networkAlone
    cluster.device.matmulFlops16 = 100e12
    let sample = try ThresholdSample(on: cluster, globalBatch: 32)
    let rate = ClusterRate.bandwidth(level: 0)
    let present = rate.value(on: cluster)
    func line(_ plan: Plan) throws -> (fixed: Double, bytes: Double) {
      let slow = try Partitioner.predict(
        sample.training, choices: plan.choices, cluster: rate.setting(present / 2, on: cluster))
      let sent = (slow.step - plan.predicted.step).seconds
      return (plan.predicted.step.seconds - sent, sent * present)
    }
    var crossings = 0
    let whole = sample.pairs.filter { $0.plan.choices.stages.count == 1 }
    for pair in whole where pair.other.choices.stages.count == 1 {
      let found = pair.thresholds.flips.filter { $0.rate == rate }.map(\.flipsAt)
      let (first, second) = (try line(pair.plan), try line(pair.other))
      let crossing = (first.bytes - second.bytes) / (second.fixed - first.fixed)
      guard crossing > present / 900, crossing < present * 900 else { continue }
      crossings += 1
      let deviation = abs((found.first ?? 0) / crossing - 1)
      #expect(found.count == 1 && deviation < 1e-3, "\(crossing), \(found): \(pair)")
    }
    #expect(crossings > 0)
  }

  @Test func `below the memory that the winner needs alone the other wins`() {
    var count = 0
    for pair in sample.pairs {
      var (enough, small) = (pair.winner, pair.winner)
      let needsMore = enough.predicted.memory.total > pair.loser.predicted.memory.total
      #expect((pair.thresholds.leastMemory != nil) == needsMore)
      guard let least = pair.thresholds.leastMemory else { continue }
      count += 1
      enough.cluster.device.memory = least
      small.cluster.device.memory = least - Bytes(1)
      #expect(enough.fits && !small.fits)
    }
    #expect(count > 0 && count < sample.pairs.count)
  }

  /// The first pair with a least memory, on a cluster that `change` makes of its own.
  private func changed(_ change: (inout Cluster) -> Void) throws -> (Plan, Plan) {
    let pair = try #require(sample.pairs.first { $0.thresholds.leastMemory != nil })
    var (plan, other) = (pair.plan, pair.other)
    change(&plan.cluster)
    other.cluster = plan.cluster
    return (plan, other)
  }

  @Test func `a winner that does not fit has no least memory`() throws {
    let (plan, other) = try changed { $0.device.memory = $0.device.reserved + Bytes(1) }
    #expect(!plan.fits && !other.fits)
    #expect(try Thresholds.between(plan, other, sample.training).leastMemory == nil)
  }

  @Test func `a figure that is zero, and the peak of measured products, are left out`() throws {
    let (plan, other) = try changed { $0.levels[0].latency = 0 }
    var timings = TimingTable()
    timings.record(.init(m: 1, n: 1, k: 1, transposition: "NN"), seconds: 1)
    let thresholds = try Thresholds.between(plan, other, sample.training, timings: timings)
    let named: Set<ClusterRate> = Set(thresholds.held + thresholds.flips.map(\.rate))
    #expect(thresholds.leftOut == [.matmulFlops(bits: 16)])
    let expected: Set<ClusterRate> = [
      .bandwidth(level: 0), .bandwidth(level: 1), .latency(level: 1), .memoryBandwidth,
    ]
    #expect(named == expected)
  }

  @Test func `plans that cannot be compared are told why`() throws {
    let pair = try #require(sample.pairs.first)
    func refusal(_ change: (inout Plan) -> Void) -> ThresholdRefusal? {
      var other = pair.other
      change(&other)
      do throws(ThresholdRefusal) {
        _ = try Thresholds.between(pair.plan, other, sample.training)
        return nil
      } catch { return error }
    }
    #expect(refusal { $0.cluster.levels[1].latency *= 2 } == .cluster)
    #expect(refusal { $0.cluster.device.memory += Bytes(1) } == .cluster)
    #expect(refusal { $0.cluster.sources["memory_bytes"] = "a guess" } == nil)
    #expect(refusal { $0.workload.globalBatch *= 2 } == .workload)
    #expect(refusal { $0.model.name = "another" } == .model)
    #expect(refusal { $0 = pair.plan } == .samePlan)
    #expect(refusal { $0.predicted.step = pair.plan.predicted.step } == .sameTime)
  }
}
