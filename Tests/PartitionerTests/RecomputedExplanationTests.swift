import Partitioner
import PlanIR
import TestSupport
import Testing

/// Explanations of plans of which layers are computed again.
@Suite struct RecomputedExplanationTests {
  /// A cluster whose framework computes layers again whole, or leaves out what nothing depends on.
  private static func cluster(repeatsAll: Bool) -> Cluster {
    var cluster = SyntheticCluster.cluster
    cluster.device.operators.recomputesWhole = repeatsAll
    return cluster
  }

  private static func proof(_ recompute: Recomputation, stages: Int) -> ProofCase {
    var proof = ProofCase()
    (proof.tensor, proof.pipeline, proof.microBatches) = (4, stages, stages)
    (proof.sample.layers, proof.recompute) = (6, recompute)
    proof.schedule = stages > 1 ? .oneForwardOneBackward : .none
    proof.workload.attention = .unfused
    return proof
  }

  @Test(
    arguments: [Recomputation.none, .selective, .full, .mixed], [true, false])
  func `a block's own layout costs what the block does, whatever is computed again`(
    _ recompute: Recomputation, _ repeatsAll: Bool
  ) throws {
    let proof = Self.proof(recompute, stages: 1)
    let explanation = try Partitioner.explain(
      TrainingGraph(model: proof.model, workload: proof.workload), choices: proof.choices,
      cluster: Self.cluster(repeatsAll: repeatsAll))
    for block in explanation.blocks {
      let own = try #require(block.alternatives.first { $0.layout == block.layout })
      #expect(own.step == block.step, "\(block.name)")
      #expect(own.total == block.total, "\(block.name)")
      #expect(own.sources.total == block.sources.total, "\(block.name)")
      #expect(block.sources.total == block.step, "\(block.name)")
    }
  }

  @Test(arguments: [Recomputation.full, .mixed], [1, 2])
  func `calls of layers that are computed again whole end when the step does`(
    _ recompute: Recomputation, _ stages: Int
  ) throws {
    for repeatsAll in [true, false] {
      let proof = Self.proof(recompute, stages: stages)
      let cluster = Self.cluster(repeatsAll: repeatsAll)
      let training = try TrainingGraph(model: proof.model, workload: proof.workload)
      let predicted = try Partitioner.predict(
        training, choices: proof.choices, cluster: cluster)
      let program = try Partitioner.program(of: training, choices: proof.choices)
      let cost = ClusterCost(
        cluster: cluster, precision: proof.workload.precision, mesh: program.mesh,
        placement: proof.choices.placement)
      let clock = ProgramClock(program, schedule: proof.choices.schedule, cost: cost)
      #expect(clock.end == predicted.step)
    }
  }

  @Test func `a layer computed again whole waits for all that its forward pass sends`() throws {
    let proof = Self.proof(.full, stages: 1)
    let training = try TrainingGraph(model: proof.model, workload: proof.workload)
    func sent(_ phase: Phase, repeatsAll: Bool = false) throws -> Picoseconds {
      let explained = try Partitioner.explain(
        training, choices: proof.choices, cluster: Self.cluster(repeatsAll: repeatsAll),
        weighsAlternatives: false)
      return explained.blocks.filter { $0.count == proof.sample.layers }.flatMap(\.phases)
        .filter { $0.phase == phase }.flatMap(\.collectives).reduce(.zero) { $0 + $1.time }
    }
    let left = (try sent(.forward) - sent(.recompute)) * proof.sample.layers
    #expect(left > .zero)
    #expect(try sent(.recompute, repeatsAll: true) == sent(.forward))
    func predicted(_ repeatsAll: Bool) throws -> Prediction {
      try Partitioner.predict(
        training, choices: proof.choices, cluster: Self.cluster(repeatsAll: repeatsAll))
    }
    let (whole, pruned) = (try predicted(true), try predicted(false))
    #expect(
      whole.breakdown.communicationExposed - pruned.breakdown.communicationExposed
        == left * proof.choices.microBatches)
    #expect(whole.communication.map(\.total) == pruned.communication.map(\.total))
    let all = whole.communication.reduce(Picoseconds.zero) { $0 + $1.exposed }
    #expect(all == whole.breakdown.communicationExposed)
  }

  @Test func `a layer computed again whole takes longer where anything was left out`() throws {
    let proof = Self.proof(.full, stages: 1)
    let training = try TrainingGraph(model: proof.model, workload: proof.workload)
    func step(_ repeatsAll: Bool) throws -> Picoseconds {
      try Partitioner.predict(
        training, choices: proof.choices, cluster: Self.cluster(repeatsAll: repeatsAll)
      ).step
    }
    #expect(try step(true) > step(false))
  }
}
