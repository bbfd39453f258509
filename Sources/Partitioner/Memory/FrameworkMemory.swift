import PlanIR

extension Cluster.Device {
  /// What a framework allocates beside the program's buffers: library workspaces, and copies of a
  /// micro-batch's logits.
  ///
  /// Logits are taken to be split over all axes but that of replicas. With stages they are left out: the
  /// last one, which has them, holds fewer micro-batches than the first, which decides.
  func framework(_ training: TrainingGraph, _ mesh: Mesh, microBatches: Int) -> Bytes {
    guard operators.logitBytes > 0, mesh.pipeline == nil, training.model.has(.head) else {
      return framework
    }
    let replicas = mesh.axes.first { $0.name == "data" }?.size ?? 1
    let sequences = training.workload.globalBatch / max(1, replicas * microBatches)
    let logits = sequences * training.workload.sequence * training.sizes[.vocabulary]
    return framework + Bytes(logits / max(1, mesh.deviceCount / replicas) * operators.logitBytes)
  }
}
