import Partitioner
import PlanIR
import Synchronization
import TestSupport
import Testing

@Suite struct SearchTests {
  private func request(
    devices: Int, memory: MemoryLimit = .device, pins: Pins = Pins(), batch: Int = 16,
    keep: Int = 10,
    isWhole: Bool = false
  ) throws -> SearchRequest {
    var sample = SampleModel()
    (sample.hidden, sample.headWidth, sample.wide, sample.positions) = (512, 64, 2048, 256)
    let workload = Workload(globalBatch: batch, sequence: 256)
    return SearchRequest(
      training: try TrainingGraph(model: sample.gpt2(), workload: workload),
      cluster: SyntheticCluster.cluster, devices: devices, memory: memory, pins: pins,
      exhaustive: isWhole, keep: keep, keepsFront: isWhole)
  }

  /// Every candidate of one layout and split, none left out.
  private var whole: Pins {
    var pins = Pins.flat
    (pins.layout, pins.tensor) = (.summa, 4)
    return pins
  }

  private func whole(memory: MemoryLimit = .device) throws -> SearchAnswer {
    try Search.run(
      request(devices: 8, memory: memory, pins: whole, keep: 100_000, isWhole: true))
  }

  private func text(_ answer: SearchAnswer) -> String {
    answer.plans.map { plan in
      "\(plan.predicted.step.count) ps  \(plan.predicted.memory.total.count) B  "
        + plan.choices.canonicalText
    }.joined(separator: "\n") + "\n"
  }

  @Test func `plans and their costs are as kept`() throws {
    try Golden.check(text(Search.run(request(devices: 16, keep: 60))), "search-16.txt")
  }

  /// What a search told.
  private final class Told: Sendable {
    let steps = Mutex<[SearchProgress]>([])
  }

  @Test func `a search that tells how far it is finds the same plans`() throws {
    var asked = try request(devices: 64, batch: 64)
    let plain = Search.run(asked)
    let told = Told()
    asked.progress = { progress in told.steps.withLock { $0.append(progress) } }
    #expect(text(Search.run(asked)) == text(plain))
    let steps = told.steps.withLock { $0 }
    #expect(!steps.isEmpty)
    for (step, next) in zip(steps, steps.dropFirst()) {
      #expect(next.seen > step.seen)
      #expect(next.best.map { $0 <= step.best ?? $0 } ?? (step.best == nil))
    }
  }

  @Test func `plans come in order of time, and candidates add up`() throws {
    let answer = try whole()
    let times = answer.plans.map(\.predicted.step)
    #expect(times == times.sorted())
    #expect(answer.space.evaluated == answer.plans.count)
    #expect(answer.space.infeasible > 0 || answer.space.candidates == answer.plans.count)
  }

  @Test func `every plan uses the devices and the batch`() throws {
    for plan in try Search.run(request(devices: 8)).plans {
      let choices = plan.choices
      #expect(choices.mesh.deviceCount == 8)
      #expect(choices.degree("data") * choices.microBatch * choices.microBatches == 16)
      let parts = plan.predicted.breakdown
      #expect(
        parts.compute + parts.communicationExposed + parts.bubble + parts.optimizer
          == plan.predicted.step)
    }
  }

  @Test func `a memory limit leaves the plans that fit, and none gives the nearest`() throws {
    let all = try whole(memory: .unlimited)
    let sizes = all.plans.map(\.predicted.memory.total)
    let least = try #require(sizes.min())
    let some = try whole(memory: .bytes(least))
    #expect(some.plans.count == sizes.count { $0 == least })
    let none = try whole(memory: .bytes(least - Bytes(1)))
    #expect(none.plans.isEmpty)
    #expect(none.nearest?.predicted.memory.total == least)
    #expect(none.reasons.first?.constraint == "memory of a device")
  }

  @Test func `the front holds the plans that no other beats in time and memory`() throws {
    let answer = try whole()
    let front = answer.front
    #expect(front.first?.choices == answer.plans.first?.choices)
    for (fast, slow) in zip(front, front.dropFirst()) {
      #expect(slow.predicted.memory.total < fast.predicted.memory.total)
    }
  }

  @Test(arguments: [7, 13])
  func `devices that nothing divides are refused with the nearest that do`(devices: Int) throws {
    let answer = try Search.run(request(devices: devices))
    #expect(answer.plans.isEmpty)
    #expect(answer.reasons.contains { $0.constraint == "devices that divide" })
    #expect(answer.reasons.contains { $0.constraint == "global batch divisible by data" })
  }

  @Test func `pins that do not multiply to the devices are refused`() throws {
    var pins = Pins.flat
    (pins.tensor, pins.data) = (2, 3)
    let answer = try Search.run(request(devices: 8, pins: pins))
    #expect(answer.plans.isEmpty)
    #expect(answer.reasons.first?.found.contains("= 6") == true)
  }

  @Test func `what is not built is named`() throws {
    var pins = Pins.flat
    pins.opensFactors = true
    let reasons = try Search.run(request(devices: 8, pins: pins)).reasons.map(\.constraint)
    #expect(reasons.count == 1)
    #expect(reasons.allSatisfy { $0.hasSuffix("is not built in this version") })
  }

  @Test func `a pinned Megatron of one device keeps its name`() throws {
    var pins = Pins.flat
    pins.layout = .megatron
    let answer = try Search.run(request(devices: 1, pins: pins))
    #expect(answer.plans.first?.choices.layout == .megatron)
    #expect(try Search.run(request(devices: 1)).plans.first?.choices.layout == .data)
  }

  @Test(arguments: [1, 2, 8])
  func `a twin keeps mesh and layout and is small`(data: Int) throws {
    var proof = ProofCase()
    (proof.data, proof.tensor, proof.isLlama, proof.sequenceParallel) = (data, 4, true, true)
    proof.workload.globalBatch = 64
    (proof.sample.hidden, proof.sample.headWidth, proof.sample.wide) = (1024, 128, 4096)
    (proof.sample.keyValueHeads, proof.sample.layers) = (2, 9)
    let twin = try Shrinker.twin(of: proof.plan().plan)
    #expect(twin.plan.choices.degree("tensor") == 4)
    #expect(twin.plan.choices.degree("data") == min(data, 2))
    #expect(twin.plan.model.parameterCount < 40_000)
    #expect(twin.plan.model.layers == 2)
    #expect(!twin.changes.isEmpty)
  }
}
