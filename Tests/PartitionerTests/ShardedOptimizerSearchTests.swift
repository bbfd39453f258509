import Partitioner
import PlanIR
import TestSupport
import Testing

/// Searches in which ZeRO 1 or 2 is pinned.
@Suite struct ShardedOptimizerSearchTests {
  private func answer(
    zero: Int?, layout: LayoutName? = nil, devices: Int = 4, objective: Objective = .time
  ) throws -> SearchAnswer {
    var sample = SampleModel()
    (sample.hidden, sample.heads, sample.headWidth, sample.wide) = (48, 12, 4, 96)
    (sample.keyValueHeads, sample.isTied) = (3, false)
    var pins = Pins.flat
    (pins.zero, pins.layout, pins.sequenceParallel) = (zero, layout, false)
    (pins.gathersInputs, pins.gathersWeights, pins.matmul) = (.saved, .saved, .gathered)
    pins.tensor = devices / min(devices, 2)
    return Search.run(
      SearchRequest(
        training: try TrainingGraph(
          model: sample.llama(), workload: Workload(globalBatch: 4, sequence: 16)),
        cluster: SyntheticCluster.cluster, devices: devices, pins: pins, objective: objective,
        keep: 30))
  }

  @Test(arguments: [1, 2], [nil, LayoutName.mixed])
  func `plans of a sharded optimizer cost what their parts do`(
    zero: Int, layout: LayoutName?
  ) throws {
    let answer = try answer(zero: zero, layout: layout)
    #expect(!answer.plans.isEmpty)
    #expect(answer.plans.allSatisfy { $0.choices.zero == zero && $0.choices.weightsOver.isEmpty })
    let wrong = answer.mispriced
    #expect(wrong.isEmpty, "\(wrong.count), \(wrong.first ?? "")")
    #expect(Set(answer.plans.map(\.choices.canonicalText)).count == answer.plans.count)
  }

  @Test(arguments: [1, 2]) func `without data a sharded optimizer is no other plan`(
    zero: Int
  ) throws {
    let (pinned, plain) = (
      try answer(zero: zero, layout: .data, devices: 1),
      try answer(zero: 0, layout: .data, devices: 1)
    )
    #expect(pinned.space == plain.space)
    #expect(pinned.plans.map(\.predicted) == plain.plans.map(\.predicted))
  }

  @Test func `optimizer state is sharded where that is not pinned, gradients only where they are`()
    throws
  {
    let zeros = Set(try answer(zero: nil).plans.map(\.choices.zero))
    #expect(zeros.isSuperset(of: [0, 1]) && !zeros.contains(2))
  }

  /// Of one plan, each takes less memory than the one before.
  @Test func `what is sharded more takes less memory`() throws {
    let memory = try (0...3).map { zero in
      var proof = ProofCase()
      (proof.tensor, proof.data, proof.zero) = (2, 4, zero)
      (proof.sample.layers, proof.gathersWeights) = (8, .again)
      if zero == 3 { proof.weightsOver = ["data"] }
      return try proof.plan().plan.predicted.memory
    }
    for (more, less) in zip(memory, memory.dropFirst()) { #expect(less.total < more.total) }
    #expect(memory[1].optimizer < memory[0].optimizer)
    #expect(memory[1].gradients == memory[0].gradients)
    #expect(memory[2].gradients < memory[1].gradients)
  }

  @Test func `weights sharded over other rows are refused beside it by name`() throws {
    var proof = ProofCase()
    (proof.layout, proof.mesh, proof.data) = (.tesseract, [1, 2, 2], 2)
    (proof.zero, proof.weightsOver) = (1, ["depth"])
    let error = #expect(throws: ConstraintViolation.self) { try proof.plan() }
    #expect(error?.constraint.contains("zero 1") == true)
    #expect(error?.found.contains("depth") == true)
  }
}
