package import Executor
import Partitioner
package import PlanIR
package import Proof

/// A plan for a sample model, to be run and held against the reference.
package struct ProofCase: Sendable, CustomStringConvertible {
  package var data = 1
  /// Choices given whole, in place of those that the fields below make.
  package var given: PlanChoices?
  /// The layout of every block, with its mesh; nil for Megatron over `tensor`.
  package var layout: LayoutName?
  package var mesh: [Int] = []
  package var tensor = 1
  package var sequenceParallel = false
  package var gathersInputs = GatherChoice.saved
  package var gathersWeights = GatherChoice.saved
  package var matmul = MatmulSchedule.gathered
  package var tableForm = TableForm.gathered
  package var tableGradients = TableGradients.added
  /// Axes over which weights are sharded beside their own; data makes it zero 3.
  package var weightsOver: [String] = []
  /// 1 or 2: what is sharded over data while weights are whole.
  package var zero = 0
  package var keyValue = KeyValueForm.copied
  package var microBatches = 1
  package var pipeline = 1
  package var context = 1
  package var contextAttention = ContextAttention.allToAll
  package var schedule = PipelineSchedule.none
  package var interleave = 1
  package var recompute = Recomputation.none
  /// Layers of each stage; nil for an even split.
  package var stages: [Int]?
  /// Shardings written on values, by block.
  package var annotations: [String: [String: [[String]]]] = [:]
  package var isLlama = false
  package var sample = SampleModel()
  /// A model in place of the sample, of its sizes and as many layers.
  package var other: Model?
  package var workload = Workload(
    globalBatch: 8, sequence: 16, precision: .mixed, optimizer: .sgd)
  package var settings = RunSettings()
  package var seed: UInt64 = 7

  package init() { settings.poisonsMemory = true }

  package var description: String {
    if let given { return "\(isLlama ? "llama" : "gpt2") \(given.canonicalText) seed \(seed)" }
    let name = layout ?? (tensor == 1 ? .data : .megatron)
    let shape = (layout == nil ? [tensor] : mesh).map(String.init).joined(separator: "x")
    let parts = [
      isLlama ? "llama" : "gpt2", name.rawValue, shape, "data \(data)",
      sequenceParallel ? "sp" : "", "inputs \(gathersInputs.rawValue)",
      "weights \(gathersWeights.rawValue)", matmul.rawValue, "table \(tableForm.rawValue)",
      tableGradients.rawValue,
      pipeline > 1 ? "pipeline \(pipeline) \(schedule.rawValue) \(interleave)" : "",
      context > 1 ? "context \(context) \(contextAttention.rawValue)" : "",
      stages.map { "stages \($0)" } ?? "",
      recompute == .none ? "" : "recompute \(recompute.rawValue) \(workload.attention.rawValue)",
      weightsOver.isEmpty ? "" : "weights over \(weightsOver.joined(separator: "+"))",
      zero == 0 ? "" : "zero \(zero)",
      "kv \(keyValue.rawValue)", "micro-batches \(microBatches)",
      settings.dtype.rawValue, workload.precision.rawValue, workload.optimizer.rawValue,
      "seed \(seed)",
    ]
    return parts.filter { !$0.isEmpty }.joined(separator: " ")
  }

  package var model: Model {
    if let other { return other }
    var model = isLlama ? sample.llama() : sample.gpt2()
    for segment in model.segments.indices {
      for block in model.segments[segment].blocks.indices {
        let name = model.segments[segment].blocks[block].name
        model.segments[segment].blocks[block].shardings = annotations[name] ?? [:]
      }
    }
    return model
  }

  private var axes: [MeshAxis] {
    guard let layout else { return [MeshAxis("tensor", tensor)] }
    let names = LayoutCatalog.all.first { $0.name == layout }?.axisNames ?? []
    return zip(names, mesh).map { MeshAxis($0, $1) }
  }

  package var choices: PlanChoices {
    if let given { return given }
    var choices = PlanChoices(
      layout: layout ?? (tensor == 1 ? .data : .megatron), blocks: [:],
      mesh: Mesh(
        [MeshAxis("data", data), MeshAxis("pipeline", pipeline), MeshAxis("context", context)]
          + axes), placement: [],
      sequenceParallel: sequenceParallel && (layout != nil || tensor > 1),
      gathersInputs: gathersInputs, keyValue: keyValue,
      microBatch: workload.globalBatch / data / microBatches, microBatches: microBatches,
      layers: sample.layers)
    choices.gathersWeights = gathersWeights
    choices.contextAttention = contextAttention
    choices.matmul = matmul
    choices.tableForm = tableForm
    choices.tableGradients = pipeline > 1 ? .apart : tableGradients
    choices.schedule = schedule
    choices.interleave = interleave
    let counts = stages ?? StageMap.even(layers: sample.layers, stages: pipeline)
    choices.recompute = recompute
    choices.stages = counts.map { StageChoice(layers: $0, recompute) }
    if recompute == .mixed {
      choices.stages = counts.map { layers in
        let core = workload.attention == .unfused ? layers / 3 : 0
        let full = (layers + 1) / 2
        return StageChoice(
          layers: layers, recomputeNone: layers - core - full, recomputeSelective: core,
          recomputeFull: full)
      }
    }
    choices.weightsOver = weightsOver
    choices.zero = weightsOver.contains("data") ? 3 : zero
    return choices
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
