import Partitioner
import PlanIR
import TestSupport
import Testing

/// The best plan that decides one thing otherwise, of each kind.
@Suite struct RunnersUpTests {
  private let request: SearchRequest

  init() throws {
    var sample = SampleModel()
    (sample.hidden, sample.headWidth, sample.wide, sample.positions) = (512, 64, 2048, 256)
    let training = try TrainingGraph(
      model: sample.gpt2(), workload: Workload(globalBatch: 4, sequence: 256))
    request = SearchRequest(
      training: training, cluster: SyntheticCluster.cluster, devices: Self.devices, keep: 1)
  }

  private static let devices = 4
  private static let degrees = [1, 2, 4]

  /// The best plan under `pins`.
  private func best(_ pin: (inout Pins) -> Void = { _ in }) throws -> RankedPlan? {
    var asked = request
    pin(&asked.pins)
    return Search.run(asked).plans.first
  }

  /// The fastest of the best plans under each of `pins`.
  private func fastest(_ pins: [(inout Pins) -> Void]) throws -> RankedPlan? {
    try pins.compactMap { try best($0) }.min { $0.predicted.step < $1.predicted.step }
  }

  /// Holds the runners-up of `plan` against the best plans under the pins of each decision.
  private func check(
    _ plan: RankedPlan, _ pins: [PlanDecision: [(inout Pins) -> Void]]
  ) throws {
    let found = RunnersUp.of(plan, request, in: Array(pins.keys))
    #expect(found.count == pins.count)
    for other in found {
      let more = other.more(than: plan)
      #expect(
        more.compute + more.communicationExposed + more.bubble + more.optimizer
          == other.plan.predicted.step - plan.predicted.step)
      let expected = try fastest(pins[other.decision] ?? [])
      #expect(
        other.fits && other.plan.predicted.step == expected?.predicted.step,
        "\(other.decision): \(other.plan.choices.canonicalText)")
    }
  }

  @Test func `a runner-up is the best of searches that pin other degrees, its parts add up`() throws
  {
    let plan = try #require(try best { ($0.layout, $0.data) = (.data, 4) })
    let choices = plan.choices
    func others(_ degree: Int, _ key: WritableKeyPath<Pins, Int?>) -> [(inout Pins) -> Void] {
      Self.degrees.filter { $0 != degree }.map { other in { $0[keyPath: key] = other } }
    }
    try check(
      plan,
      [
        .pipeline: others(1, \.pipeline), .context: others(1, \.context), .data: others(4, \.data),
        .microBatch: others(choices.microBatch, \.microBatch),
        .zero: (0...3).filter { $0 != choices.zero }.map { zero in { $0.zero = zero } },
      ])
  }

  @Test(arguments: [16, 256])
  func `where replicas are left out, layouts that copy what they hold are not`(
    _ batch: Int
  ) throws {
    var asked = request
    (asked.devices, asked.training) = (8, request.training.withBatch(batch))
    func best(_ pin: (inout Pins) -> Void) -> RankedPlan? {
      var pinned = asked
      pin(&pinned.pins)
      return Search.run(pinned).plans.first
    }
    let plan = try #require(best { ($0.layout, $0.data) = (.data, 8) })
    let found = RunnersUp.of(plan, asked, in: [.data, .microBatch])
    let size = plan.choices.microBatch
    for other in found {
      let steps = (0...8).compactMap { power -> Picoseconds? in
        let degree = 1 << power
        let isData = other.decision == .data
        if degree == (isData ? 8 : size) || (isData && degree > 8) { return nil }
        return best { if isData { $0.data = degree } else { $0.microBatch = degree } }?
          .predicted.step
      }
      #expect(other.plan.predicted.step == steps.min(), "\(other.decision)")
    }
    #expect(found.count == 2)
  }

  @Test func `of a pipeline a runner-up is the best with another schedule, or computed again`()
    throws
  {
    let plan = try #require(
      try best { ($0.layout, $0.tensor, $0.pipeline) = (.megatron, 2, 2) })
    let choices = plan.choices
    let schedules: [PipelineSchedule] = [.gpipe, .oneForwardOneBackward, .interleaved, .zeroBubble]
    try check(
      plan,
      [
        .schedule: schedules.filter { $0 != choices.schedule }.map { schedule in
          { $0.schedule = schedule }
        },
        .recompute: [{ $0.recompute = .full }],
        .sequenceParallel: [
          {
            ($0.layout, $0.tensor) = (.megatron, 2)
            $0.sequenceParallel = !choices.sequenceParallel
          }
        ],
      ])
  }

  @Test func `the runner-up of another layout is the best of theirs`() throws {
    let plan = try #require(try best { $0.layout = .data })
    let other = try #require(RunnersUp.of(plan, request, in: [.layout]).first)
    let layout = other.plan.choices.layout
    #expect(other.fits && layout != plan.choices.layout)
    let tensors = Self.degrees.filter { $0 > 1 }
    let others = LayoutCatalog.all.map(\.name).filter { $0 != plan.choices.layout }
    let expected = try fastest(
      others.flatMap { layout in
        tensors.map { tensor in
          { ($0.layout, $0.tensor) = (layout, tensor) }
        }
      })
    #expect(other.plan.predicted.step == expected?.predicted.step)
  }

  @Test func `one device has no other degrees, and what needs too much memory is named`() throws {
    var one = request
    one.devices = 1
    let plan = try #require(Search.run(one).plans.first)
    one.memory = .bytes(plan.predicted.memory.total)
    let found = RunnersUp.of(plan, one)
    #expect(Set(found.map(\.decision)).isSubset(of: [.microBatch, .recompute]))
    let smaller = MemoryLimit.bytes(Bytes(1))
    one.memory = smaller
    let tooLarge = RunnersUp.of(plan, one, in: [.microBatch])
    #expect(tooLarge.map(\.fits) == [false])
    #expect(tooLarge.first?.plan.choices.microBatch != plan.choices.microBatch)
  }
}
