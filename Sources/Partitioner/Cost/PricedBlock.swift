import PlanIR

/// A block's or joint's bodies, priced: what one layer costs and holds.
struct PricedBlock {
  var forward = BodySummary()
  var inputGradient = BodySummary()
  var weightGradient = BodySummary()
  var reduceGradients = BodySummary()
  var optimize = BodySummary()
  var settle = BodySummary()
  /// Of layers that are computed again.
  var lean: [Recomputation: (forward: BodySummary, recompute: BodySummary)] = [:]
  /// What one repetition's parameters take, with all their parts.
  var stored = MemoryUse()

  /// Nothing.
  init() {}

  /// Prices `bodies` and adds up the parts of `parameters`.
  init(
    _ bodies: BlockBodies, parameters: [StoredParameter], mesh: Mesh, precision: Precision,
    cost: any CostModel
  ) {
    func summary(_ body: Body?) -> BodySummary {
      body.map { BodySummary($0, mesh: mesh, precision: precision, cost: cost) } ?? BodySummary()
    }
    forward = summary(bodies.forward)
    inputGradient = summary(bodies.inputGradient)
    weightGradient = summary(bodies.weightGradient)
    reduceGradients = summary(bodies.reduceGradients)
    optimize = summary(bodies.optimize)
    settle = summary(bodies.settle)
    lean = bodies.lean.mapValues { (summary($0.forward), summary($0.recompute)) }
    stored = Self.stored(parameters, precision)
  }

  /// What one repetition of `parameters` takes, with all their parts.
  static func stored(_ parameters: [StoredParameter], _ precision: Precision) -> MemoryUse {
    var stored = MemoryUse()
    for parameter in parameters {
      for part in parameter.parts {
        let bytes = parameter.type(of: part).localCount * precision.bytes(of: part.width)
        stored.add(Bytes(bytes), part.bufferClass)
      }
    }
    return stored
  }

  /// The bodies that run for every micro-batch.
  var everyMicroBatch: [BodySummary] { [forward, inputGradient, weightGradient] }

  /// The forward pass of a layer that is computed again so.
  func forward(_ recompute: Recomputation) -> BodySummary { lean[recompute]?.forward ?? forward }

  /// What is computed again before a layer's gradients: of a block what it left out, of a joint inside a
  /// layer whose blocks keep nothing the stream.
  func again(_ recompute: Recomputation, isLast: Bool) -> BodySummary? {
    if recompute == .none { return nil }
    if let lean = lean[recompute] { return lean.recompute }
    return recompute == .full && !isLast ? forward : nil
  }

  /// Kernels of one micro-batch, of one layer.
  var kernels: Picoseconds { everyMicroBatch.reduce(.zero) { $0 + $1.kernels } }

  /// Collectives of one micro-batch, and those that run once a step.
  func communication(
    _ cost: any CostModel
  ) -> (everyMicroBatch: Picoseconds, onceAStep: Picoseconds) {
    (
      everyMicroBatch.reduce(.zero) { $0 + $1.communication(cost) },
      reduceGradients.communication(cost) + optimize.communication(cost)
    )
  }

  /// What one layer takes of a step of `microBatches`.
  func step(_ cost: any CostModel, microBatches: Int) -> Picoseconds {
    let sent = communication(cost)
    return (kernels + sent.everyMicroBatch) * microBatches + sent.onceAStep
      + reduceGradients.kernels + optimize.kernels
  }

  /// Bytes that one layer sends in a step of `microBatches`, over all devices.
  func sent(microBatches: Int) -> Bytes {
    func bytes(_ body: BodySummary) -> Int {
      body.collectives.reduce(0) { $0 + $1.use.total * $1.count }
    }
    return Bytes(
      everyMicroBatch.reduce(0) { $0 + bytes($1) } * microBatches
        + bytes(reduceGradients) + bytes(optimize))
  }
}
