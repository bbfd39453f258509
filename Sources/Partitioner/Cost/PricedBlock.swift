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
  var lean: ByRecomputation<(forward: BodySummary, recompute: BodySummary)> = [:]
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
    lean = ByRecomputation(
      bodies.lean.mapValues { (summary($0.forward), summary($0.recompute)) })
    stored = Self.stored(parameters, precision)
  }

  /// Takes for a layer that is computed again in full what all its kernels take, also those that nothing
  /// of it depends on.
  mutating func recomputeWhole() {
    guard let known = lean[.full]?.recompute.kernels else { return }
    lean[.full]?.recompute.kernels = max(known, forward.kernels)
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

  /// The forward pass, whole and as layers have it that are computed again.
  var forms: ForwardForms<BodySummary> { ForwardForms(whole: forward, lean: lean) }

  /// The bodies of a block that run for every micro-batch in a layer that is computed again so.
  private func everyMicroBatch(_ recompute: Recomputation) -> [BodySummary] {
    let again = forms.again(recompute, isLast: true).map { [$0] } ?? []
    return [forms.forward(recompute)] + again + [inputGradient, weightGradient]
  }

  /// What its backward pass takes of a micro-batch.
  func backward(_ cost: any CostModel) -> BackwardTime {
    BackwardTime(
      inputGradient: inputGradient.time(cost), weightGradient: weightGradient.time(cost))
  }

  /// What of a micro-batch goes on beside kernels in a layer that is computed again so, of which it is the last block,
  /// or not.
  func hidden(
    _ cost: any CostModel, recomputing recompute: Recomputation, isLast: Bool, isSplit: Bool
  ) -> Picoseconds {
    guard cost.overlapsGradients else { return .zero }
    let again = forms.again(recompute, isLast: isLast)?.time(cost).hidden ?? .zero
    return forms.forward(recompute).time(cost).hidden + again
      + backward(cost).hidden(isSplit: isSplit)
  }

  private var onceAStep: [BodySummary] { [reduceGradients, optimize] }

  /// What a block of one layer takes of a step of `microBatches`.
  func step(
    _ cost: any CostModel, microBatches: Int, recomputing recompute: Recomputation = .none
  ) -> Picoseconds {
    func time(_ bodies: [BodySummary]) -> Picoseconds {
      bodies.reduce(.zero) { $0 + $1.kernels + $1.communication(cost) }
    }
    return time(everyMicroBatch(recompute)) * microBatches + time(onceAStep)
  }

  /// Bytes that a block of one layer sends in a step of `microBatches`, over all devices.
  func sent(microBatches: Int, recomputing recompute: Recomputation = .none) -> Bytes {
    func bytes(_ bodies: [BodySummary]) -> Int {
      bodies.reduce(0) { sum, body in
        body.collectives.reduce(sum) { $0 + $1.use.total * $1.count }
      }
    }
    return Bytes(bytes(everyMicroBatch(recompute)) * microBatches + bytes(onceAStep))
  }
}
