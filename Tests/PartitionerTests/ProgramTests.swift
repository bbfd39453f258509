import Partitioner
import PlanIR
import TestSupport
import Testing

@Suite struct ProgramTests {
  static var cases: [ProofCase] {
    var cases: [ProofCase] = []
    for isLlama in [false, true] {
      for (data, tensor) in [(1, 1), (2, 1), (1, 4), (2, 8)] {
        for isParallel in [false, true] {
          var proof = ProofCase()
          (proof.isLlama, proof.data, proof.tensor) = (isLlama, data, tensor)
          (proof.sequenceParallel, proof.microBatches) = (isParallel, 2)
          proof.sample.keyValueHeads = isLlama ? 2 : 8
          proof.keyValue = isParallel && isLlama ? .gathered : .copied
          cases.append(proof)
        }
      }
    }
    return cases
  }

  @Test(arguments: cases) func `a lowered program verifies`(proof: ProofCase) throws {
    let program = try proof.plan().program
    #expect(ProgramVerifier.faults(of: program).isEmpty)
  }

  @Test func `the verifier sees a missing allocation, a double release and a lost slot`() throws {
    let sound = try ProofCase().plan().program
    var program = sound
    let forward = try #require(
      program.bodies.firstIndex { $0.name == "attention.forward" })
    let place = try #require(
      program.bodies[forward].instructions.firstIndex {
        if case .allocate = $0 { true } else { false }
      })
    program.bodies[forward].instructions.remove(at: place)
    #expect(!ProgramVerifier.faults(of: program).isEmpty)
    program = sound
    program.bodies[forward].gives.removeLast()
    #expect(!ProgramVerifier.faults(of: program).isEmpty)
    program = sound
    program.stages[0].calls.removeLast(12)
    program.stages[0].calls.remove(at: 2)
    #expect(!ProgramVerifier.faults(of: program).isEmpty)
  }

  @Test(arguments: [false, true])
  func `a layer's program is as kept`(isLlama: Bool) throws {
    var proof = ProofCase()
    (proof.isLlama, proof.data, proof.tensor) = (isLlama, 2, 4)
    (proof.sequenceParallel, proof.gathersInputs) = (true, .again)
    proof.sample.keyValueHeads = isLlama ? 2 : 8
    let program = try proof.plan().program
    try Golden.check(program.canonicalText, "program-\(isLlama ? "llama" : "gpt2").txt")
  }

  @Test func `attention as a ring is as kept`() throws {
    var proof = ProofCase()
    (proof.isLlama, proof.context, proof.contextAttention) = (true, 2, .ring)
    (proof.tensor, proof.sample.keyValueHeads) = (4, 2)
    let lines = try proof.plan().program.canonicalText.split(separator: "\n")
    var (kept, isAttention) = ([Substring](), true)
    for line in lines {
      if line.hasPrefix("body ") || line.hasPrefix("stage ") {
        isAttention = line.hasPrefix("body attention.")
      }
      if isAttention && !line.hasPrefix("parameter ") { kept.append(line) }
    }
    try Golden.check(kept.joined(separator: "\n") + "\n", "program-ring.txt")
  }

  @Test(arguments: [
    (LayoutName.summa, [2, 2]), (.tesseract, [1, 2, 2]), (.threeDimensional, [1, 2, 2]),
    (.stationary, [2, 2]), (.megatron, [4]),
  ])
  func `rows of a position table that nothing reads lie as the others do`(
    _ layout: LayoutName, _ mesh: [Int]
  ) throws {
    var proof = ProofCase()
    (proof.layout, proof.mesh) = (layout, mesh)
    proof.sample.positions = proof.workload.sequence + 6
    let training = try TrainingGraph(model: proof.model, workload: proof.workload)
    let explanation = try Partitioner.explain(
      training, choices: proof.choices, cluster: SyntheticCluster.cluster)
    let operands = explanation.blocks.flatMap(\.operands)
    let unread = try #require(operands.first { $0.name.hasSuffix(".unused") })
    let read = try #require(operands.first { $0.name + ".unused" == unread.name })
    #expect(unread.sharding == read.sharding)
    #expect(unread.deviceBytes.count * proof.workload.sequence == read.deviceBytes.count * 6)
    let faults = ProgramVerifier.faults(of: try proof.plan().program)
    #expect(faults.isEmpty, "\(faults)")
  }
}
