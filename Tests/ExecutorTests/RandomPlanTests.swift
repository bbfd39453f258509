import Executor
import PlanIR
import Proof
import TestSupport
import Testing

/// Drawn plans in a row: whatever can be lowered runs, ends, frees what it took and is right.
@Suite(.serialized) struct RandomPlanTests {
  /// Found by drawn plans: a tied table that lies as another layout stores it, read by a head that
  /// loops over panels.
  @Test func `a loop over panels reads a table that another layout stores`() throws {
    var plans = RandomPlan(seed: 676_331_297)
    for _ in 0..<93 { _ = plans.proof(devices: 8) }
    let proof = plans.proof(devices: 8)
    let isMeant = proof.choices.matmul == .stepped && proof.choices.layout == .mixed
    #expect(isMeant, "\(proof)")
    let faults = try proof.run().faults
    #expect(faults.isEmpty, "\(proof): \(faults)")
  }

  /// Runs as many drawn plans, one after the other; returns the choices of each.
  private func run(
    _ runs: Int, _ draw: (inout RandomPlan, Int) throws -> ProofCase
  ) throws -> [PlanChoices] {
    let seed = UInt64.random(in: 0...UInt64(UInt32.max))
    var plans = RandomPlan(seed: seed)
    return try (0..<runs).map { run in
      let proof = try draw(&plans, run)
      let verdict = try proof.run()
      let faults = ProgramVerifier.faults(of: try proof.plan().program) + verdict.faults
      let isClean = verdict.run.leaked.allSatisfy { $0 == 0 }
      #expect(faults.isEmpty && isClean, "seed \(seed), run \(run): \(proof): \(faults)")
      return proof.choices
    }
  }

  @Test func `drawn plans on eight threads run one after the other`() throws {
    let all = try run(LayoutMatrix.isFull ? 1000 : 50) { plans, _ in plans.proof(devices: 8) }
    let layouts = Set(all.map(\.layout))
    #expect(layouts.count > 4)
  }

  @Test func `drawn plans with stages, context and recomputation run one after the other`() throws {
    let all = try run(LayoutMatrix.isFull ? 500 : 40) { plans, run in
      plans.stagedProof(devices: [4, 8, 16][run % 3])
    }
    let schedules = Set(all.map(\.schedule))
    #expect(schedules.count > 3)
  }

  @Test func `drawn plans of drawn blocks run one after the other`() throws {
    let all = try run(LayoutMatrix.isFull ? 2000 : 60) { plans, run in
      try plans.proofOfBlocks(devices: [1, 2, 4, 8][run % 4])
    }
    let kinds = Set(all.map(\.recompute))
    #expect(kinds.count > 1)
  }

  @Test(arguments: [
    LayoutName.tesseract, .threeDimensional,
  ])
  func `sixty-four threads run on few cores`(layout: LayoutName) throws {
    var proof = ProofCase()
    (proof.layout, proof.mesh) = (layout, [4, 4, 4])
    (proof.sample.hidden, proof.sample.headWidth) = (64, 8)
    proof.sample.layers = 1
    proof.workload.globalBatch = 32
    proof.microBatches = 2
    proof.settings.steps = 2
    let verdict = try proof.run()
    let faults = verdict.faults
    #expect(faults.isEmpty, "\(proof): \(faults)")
  }
}
