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

extension ChainParts where Item == PricedBlock {
  /// Bytes of weights of the layer that has most, as one device stores them.
  var mostWeights: Bytes {
    let layers = blocks.indices.filter { areLayers[$0] }.map { segment in
      blocks[segment].reduce(Bytes.zero) { $0 + $1.stored.weights }
    }
    return layers.max() ?? .zero
  }
}

extension PlanChoices {
  /// What exchanging shards beside kernels takes beside the program's buffers, where a layer stores `weights` of a device
  /// with `precision`.
  ///
  /// The program gathers an operand at a time, and scatters a gradient as it is computed. A framework that does so beside
  /// kernels gathers a layer whole, and the next one meanwhile, and scatters a layer's gradients when all of them are
  /// there (Zhao et al., PyTorch FSDP, VLDB 2023, sections 3.3 and 3.4: two layers are gathered at most). Weights that are
  /// kept from the forward pass are the program's own but for those ahead.
  func exchangeBuffers(
    _ weights: Bytes, _ precision: Precision, _ device: Cluster.Device
  ) -> Bytes {
    let gathers = weightsOver.contains { LayoutCatalog.replicaAxes.contains($0) && degree($0) > 1 }
    guard device.operators.overlapsGradients, gathers || (zero == 2 && degree("data") > 1) else {
      return .zero
    }
    let whole = weights.count * weightsOver.reduce(1) { $0 * degree($1) }
    let gradients =
      whole / precision.bytes(of: .weight) * precision.bytes(of: .mainGradient)
    let gathered = gathers ? whole * (gathersWeights == .again ? 2 : 1) : 0
    return Bytes(gathered + gradients)
  }
}
