package import Executor
import Partitioner
package import PlanIR
package import Proof

/// A plan for a sample model, to be run and held against the reference.
package struct ProofCase: Sendable, CustomStringConvertible {
  package var data = 1
  package var tensor = 1
  package var sequenceParallel = false
  package var gathersInputs = GatherChoice.saved
  package var keyValue = KeyValueForm.copied
  package var microBatches = 1
  package var isLlama = false
  package var sample = SampleModel()
  package var workload = Workload(
    globalBatch: 8, sequence: 16, precision: .mixed, optimizer: .sgd)
  package var settings = RunSettings()
  package var seed: UInt64 = 7

  package init() { settings.poisonsMemory = true }

  package var description: String {
    let layout = "data \(data) tensor \(tensor) sp \(sequenceParallel) \(gathersInputs.rawValue)"
    return "\(isLlama ? "llama" : "gpt2") \(layout) kv \(keyValue.rawValue) mb \(microBatches) "
      + "\(settings.dtype.rawValue) \(workload.optimizer.rawValue) seed \(seed)"
  }

  package var model: Model { isLlama ? sample.llama() : sample.gpt2() }

  package var choices: PlanChoices {
    let layout: LayoutName = tensor == 1 ? .data : .megatron
    return PlanChoices(
      layout: layout, blocks: [:],
      mesh: Mesh([MeshAxis("data", data), MeshAxis("tensor", tensor)]), placement: [],
      sequenceParallel: sequenceParallel && tensor > 1, gathersInputs: gathersInputs,
      keyValue: keyValue, microBatch: workload.globalBatch / data / microBatches,
      microBatches: microBatches, layers: sample.layers)
  }

  /// The plan with its prediction on ``SyntheticCluster``.
  package func plan() throws -> (plan: Plan, program: Program) {
    let training = try TrainingGraph(model: model, workload: workload)
    let predicted = try Partitioner.predict(
      training, choices: choices, cluster: SyntheticCluster.cluster)
    let plan = Plan(
      model: model, cluster: SyntheticCluster.cluster, workload: workload, choices: choices,
      predicted: predicted)
    return (plan, try Partitioner.program(of: training, choices: choices))
  }

  /// A batch of which every seventh label is ignored.
  package var batch: HostBatch {
    var batch = HostBatch.random(model: model, workload: workload, seed: seed)
    for place in stride(from: 3, to: batch.labels.count, by: 7) {
      batch.labels[place] = HostBatch.ignoredLabel
    }
    return batch
  }

  /// Runs the case, with `change` applied to its program first.
  package func run(
    validates: Bool = true, changing change: (inout Program) -> Void = { _ in }
  ) throws -> Verdict {
    var (plan, program) = try plan()
    change(&program)
    return try Proof(
      plan: plan, program: program, settings: settings, weights: RandomWeights(seed: seed),
      batch: batch
    ).run(validates: validates)
  }
}

/// A made-up machine of round figures, so that costs in goldens never move.
package enum SyntheticCluster {
  package static let cluster = Cluster(
    name: "synthetic",
    device: .init(
      name: "synthetic", memory: Bytes(64 << 30), reserved: Bytes(4 << 30), framework: .zero,
      matmulFlops16: 100e12, matmulFlops32: 10e12, matmulEfficiency: 0.5, memoryBandwidth: 1e12,
      memoryEfficiency: 0.8, launchSeconds: 5e-6), devicesPerNode: 8,
    levels: [
      .init(name: "link", devices: 8, bandwidth: 200e9, latency: 2e-6),
      .init(name: "net", devices: nil, bandwidth: 25e9, latency: 10e-6),
    ])
}
