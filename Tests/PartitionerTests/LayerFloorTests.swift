import Partitioner
import PlanIR
import TestSupport
import Testing

/// What attention takes and holds at least, against plans of all layouts that are lowered and priced whole.
@Suite struct LayerFloorTests {
  /// The synthetic cluster with launches for nothing, so that what kernels do counts.
  private static let cluster: Cluster = {
    var cluster = SyntheticCluster.cluster
    cluster.device.launchSeconds = 0
    return cluster
  }()

  private func request(_ training: TrainingGraph, devices: Int) -> SearchRequest {
    SearchRequest(training: training, cluster: Self.cluster, devices: devices)
  }

  @Test(arguments: [1, 4, 6, 8, 12])
  func `attention of a plan never takes or holds less than the floor`(_ devices: Int) throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = RandomPlan(seed: seed)
    var closest = 0.0
    for _ in 0..<60 {
      let proof = random.stagedProof(devices: devices)
      let choices = proof.choices
      let training = try TrainingGraph(model: proof.model, workload: proof.workload)
      let explanation = try Partitioner.explain(
        training, choices: choices, cluster: Self.cluster)
      let attention = try #require(explanation.blocks.first { $0.blockClass == .attention })
      let outer = ["data", "pipeline", "context"].reduce(1) { $0 * choices.degree($1) }
      let tensor = choices.mesh.deviceCount / outer
      let floors = LayerFloor(request(training, devices: devices))
        .least(size: choices.microBatch, tensor: tensor, context: choices.degree("context"))
      let floor = try #require(floors.values.first)
      for phase in attention.phases {
        let least: Picoseconds
        switch phase.phase {
        case .forward: least = floor.passes.forward
        case .inputGradient: least = floor.passes.inputGradient
        case .weightGradient: least = floor.passes.weightGradient
        case .recompute, .reduceGradients, .optimize: continue
        }
        #expect(phase.kernels >= least, "seed \(seed): \(phase.phase) of \(choices.canonicalText)")
        closest = max(closest, least.seconds / max(phase.kernels.seconds, 1e-12))
      }
      if choices.weightsOver.isEmpty {
        let weights = attention.operands.filter { $0.kind == "parameter" }
          .reduce(0) { $0 + $1.deviceBytes.count }
        #expect(
          weights == 0 || weights >= floor.stored.weights.count,
          "seed \(seed): \(choices.canonicalText)")
      }
    }
    // Where nothing is copied or computed twice it is nearly all there is to do.
    #expect(closest > 0.6, "seed \(seed)")
  }
}
