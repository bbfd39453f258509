import Executor
import Partitioner
import PlanIR
import Proof
import TestSupport
import Testing

/// What a step's CPU time goes to, as it is measured and as it is priced.
@Suite struct PartTests {
  static let cases = [PipelineMatrix.cases[0], PipelineMatrix.cases[5], ProofCase()]

  @Test(arguments: cases)
  func `what is priced is what devices run, as often as they do`(proof: ProofCase) throws {
    var proof = proof
    proof.settings.recordsParts = true
    proof.settings.steps = 2
    let (plan, program) = try proof.plan()
    let run = try proof.run(validates: false).run
    let cost = ClusterCost(
      cluster: SyntheticCluster.cluster, precision: plan.workload.precision,
      mesh: plan.choices.mesh, placement: plan.choices.placement)
    let priced = PricedParts(program, cost: cost).times
    let parts = run.parts.filter { $0.key != .between }
    #expect(parts.mapValues(\.count) == priced.mapValues(\.count))
    #expect(run.parts.values.reduce(0) { $0 + $1.seconds } > 0)
    #expect(priced.values.contains { $0.seconds > 0 })
  }

  @Test func `no part is told where none was asked for`() throws {
    #expect(try ProofCase().run(validates: false).run.parts.isEmpty)
  }

  @Test func `running a kernel takes CPU time beside what it computes`() throws {
    let seconds = try InterpretationProbe(devices: 2).seconds(repetitions: 1)
    #expect(seconds > 0 && seconds.isFinite)
  }
}
