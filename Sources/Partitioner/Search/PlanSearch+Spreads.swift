import PlanIR

/// What spreads of a point's layers take at least, before anything is known of what their replicas meet.
extension PlanSearch {
  /// What a step takes at least whatever it holds, where replicas exchange `exchange` of a layer; where memory is asked
  /// for, what the fullest device holds.
  mutating func leastBound(
    _ point: Int, _ split: DeviceSplit, _ size: Int, _ exchange: ReplicaBound
  ) -> Int {
    guard request.objective == .time else { return leastHeld(point, split, size) }
    let clock = SpreadClock(split, size, space)
    var least = Int.max
    for layer in points[point].layerBounds(size, training) {
      let all = layer.exchanging(exchange, layers: training.layers)
      least = min(least, clock.step(all, once: exchange.once, ends: .zero))
    }
    return least == Int.max ? 0 : least
  }

  /// What a step takes at least if every stage is to fit, the last with the head, each with what layers keep where all is
  /// gathered again; nil where none does, however parameters are sharded. Nothing is told of measured times.
  mutating func fittingBound(_ point: Int, _ split: DeviceSplit, _ size: Int) -> Int? {
    guard request.objective == .time, !request.exhaustive, request.timings.isEmpty else { return 0 }
    let clock = SpreadClock(split, size, space)
    let layers = points[point].layerBounds(size, training)
    let memory = points[point].leanMemory(size, request, &chains)
    let head = space.ends.headBytes(size, devices: split.tensor * split.context)
    let framework = request.cluster.device.framework(
      training, points[point].choices(on: split).mesh, microBatches: clock.microBatches)
    let all = exchanges(point, split, size).compactMap { own in
      let placed = layers.map { layer in
        let layer = layer.exchanging(own.bound, layers: training.layers)
        return (layer: layer, clock: clock.withHead(layer, once: own.bound.once))
      }
      return NodeBound(
        layers: placed, memory: memory,
        stored: memory.stored.bytes(sharding: own.weights, data: split.data),
        beside: EndsBytes(head: head), framework: framework, interleaves: clock.interleaves
      ).bound(request)
    }
    return all.min()
  }
}

/// Bounds the steps of layers on one split, in one size of micro-batches.
struct SpreadClock {
  let microBatches: Int
  /// Whether schedules are interleaved: those that may be.
  let interleaves: [Bool]
  private let stages, layers: Int
  private let cores: SharedCores
  /// The head at least.
  private let parts: StageParts

  init(_ split: DeviceSplit, _ size: Int, _ space: CandidateSpace) {
    let training = space.request.training
    (stages, layers) = (split.stages, training.layers)
    microBatches = training.workload.globalBatch / split.data / size
    interleaves = space.interleaves(stages: stages, microBatches: microBatches)
    cores = space.cores
    var parts = StageParts()
    parts.last = space.ends.head(split, size)
    self.parts = parts
  }

  /// Of layers that take `once` a step, with what the ends take of a micro-batch.
  func step(_ layer: LayerBound, once: OnceBound, ends: Picoseconds) -> Int {
    StageBound(
      stages: stages, microBatches: microBatches, layers: layers, layer, once: once, ends: ends,
      cores: cores
    ).step(interleaves)
  }

  /// Layers that take `once` a step, and the head on the last stage.
  func withHead(_ layer: LayerBound, once: OnceBound) -> StageBound {
    StageBound(
      stages: stages, microBatches: microBatches, layers: layers, layer, once: once, parts,
      interleaves: interleaves, cores: cores)
  }
}
