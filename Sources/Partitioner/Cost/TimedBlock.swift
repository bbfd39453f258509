import PlanIR

/// A block's or joint's bodies, as what they take on the clock alone.
struct TimedBlock {
  var forward, inputGradient, weightGradient: Picoseconds
  /// Of the forward pass and of the input's gradient the time that what they receive is on its way.
  var forwardReceived, inputGradientReceived: Picoseconds
  /// Once a step, and whether the first and the last stage meet in it.
  var reduceGradients, optimize: Once
  /// Of layers that are computed again in part, and whole.
  private var selective, full: Lean?

  struct Once {
    var time: Picoseconds
    var exchanges: Bool

    init(_ body: BodySummary, _ cost: any CostModel) {
      time = body.kernels + body.communication(cost)
      exchanges = body.exchanges
    }
  }

  private struct Lean {
    var forward, recompute: Picoseconds
  }

  init(_ block: PricedBlock, _ cost: any CostModel) {
    func time(_ body: BodySummary) -> Picoseconds { body.kernels + body.communication(cost) }
    func lean(_ kind: Recomputation) -> Lean? {
      block.lean[kind].map { Lean(forward: time($0.forward), recompute: time($0.recompute)) }
    }
    forward = time(block.forward)
    inputGradient = time(block.inputGradient)
    weightGradient = time(block.weightGradient)
    forwardReceived = block.forward.received(cost)
    inputGradientReceived = block.inputGradient.received(cost)
    reduceGradients = Once(block.reduceGradients, cost)
    optimize = Once(block.optimize, cost)
    (selective, full) = (lean(.selective), lean(.full))
  }

  private func lean(_ recompute: Recomputation) -> Lean? {
    switch recompute {
    case .selective: selective
    case .full: full
    case .none, .mixed: nil
    }
  }

  /// The forward pass of a layer that is computed again so.
  func forward(_ recompute: Recomputation) -> Picoseconds { lean(recompute)?.forward ?? forward }

  /// What is computed again before a layer's gradients, as ``PricedBlock/again(_:isLast:)`` has it.
  func again(_ recompute: Recomputation, isLast: Bool) -> Picoseconds {
    if recompute == .none { return .zero }
    if let lean = lean(recompute) { return lean.recompute }
    return recompute == .full && !isLast ? forward : .zero
  }
}
