import Executor
import PlanIR
import Proof
import TestSupport
import Testing

/// Drawn plans in a row: whatever can be lowered runs, ends, frees what it took and is right.
@Suite(.serialized) struct RandomPlanTests {
  private static let runs = LayoutMatrix.isFull ? 1000 : 50

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

  @Test func `drawn plans on eight threads run one after the other`() throws {
    let seed = UInt64.random(in: 0...UInt64(UInt32.max))
    var plans = RandomPlan(seed: seed)
    var layouts: Set<LayoutName> = []
    for run in 0..<Self.runs {
      let proof = plans.proof(devices: 8)
      layouts.insert(proof.choices.layout)
      let verdict = try proof.run()
      let faults = ProgramVerifier.faults(of: try proof.plan().program) + verdict.faults
      let isClean = verdict.run.leaked.allSatisfy { $0 == 0 }
      #expect(faults.isEmpty && isClean, "seed \(seed), run \(run): \(proof): \(faults)")
    }
    #expect(layouts.count > 4, "seed \(seed): \(layouts)")
  }

  @Test func `drawn plans with stages, context and recomputation run one after the other`() throws {
    let seed = UInt64.random(in: 0...UInt64(UInt32.max))
    var plans = RandomPlan(seed: seed)
    var schedules: Set<PipelineSchedule> = []
    for run in 0..<(LayoutMatrix.isFull ? 500 : 40) {
      let proof = plans.stagedProof(devices: [4, 8, 16][run % 3])
      schedules.insert(proof.choices.schedule)
      let verdict = try proof.run()
      let faults = ProgramVerifier.faults(of: try proof.plan().program) + verdict.faults
      let isClean = verdict.run.leaked.allSatisfy { $0 == 0 }
      #expect(faults.isEmpty && isClean, "seed \(seed), run \(run): \(proof): \(faults)")
    }
    #expect(schedules.count > 3, "seed \(seed): \(schedules)")
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
