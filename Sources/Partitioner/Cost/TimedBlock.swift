import PlanIR

/// A block's or joint's bodies, as what they take on the clock alone.
struct TimedBlock {
  let forms: ForwardForms<Picoseconds>
  let inputGradient, weightGradient: Picoseconds
  /// Of the forward pass and of the input's gradient the time that what they receive is on its way.
  let forwardReceived, inputGradientReceived: Picoseconds
  /// What kernels take of its backward pass, and of what it computes again: beside them gradients may be reduced.
  let backwardKernels: Backward
  /// Once a step, and whether the first and the last stage meet in it.
  let reduceGradients, optimize: Once

  struct Backward {
    var inputGradient, weightGradient: Picoseconds
    var forms: ForwardForms<Picoseconds>
  }

  struct Once {
    /// What nothing goes on beside.
    var time: Picoseconds
    /// What goes on beside the last backward pass as far as that reaches.
    var reductions: Picoseconds
    var exchanges: Bool

    init(_ body: BodySummary, _ cost: any CostModel) {
      reductions = body.reductions(cost)
      time = body.kernels + body.communication(cost) - reductions
      exchanges = body.exchanges
    }
  }

  init(_ block: PricedBlock, _ cost: any CostModel) {
    func time(_ body: BodySummary) -> Picoseconds { body.kernels + body.communication(cost) }
    forms = block.forms.map(time)
    inputGradient = time(block.inputGradient)
    weightGradient = time(block.weightGradient)
    forwardReceived = block.forward.received(cost)
    inputGradientReceived = block.inputGradient.received(cost)
    backwardKernels = Backward(
      inputGradient: block.inputGradient.kernels, weightGradient: block.weightGradient.kernels,
      forms: block.forms.map(\.kernels))
    reduceGradients = Once(block.reduceGradients, cost)
    optimize = Once(block.optimize, cost)
  }

  var forward: Picoseconds { forms.whole }

  /// Gradients that it reduces once a step.
  var reductions: Picoseconds { reduceGradients.reductions + optimize.reductions }
}
