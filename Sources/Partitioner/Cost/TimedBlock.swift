import PlanIR

/// A block's or joint's bodies, as what they take on the clock alone.
struct TimedBlock {
  let forms: ForwardForms<Picoseconds>
  let inputGradient, weightGradient: Picoseconds
  /// Of the forward pass and of the input's gradient the time that what they receive is on its way.
  let forwardReceived, inputGradientReceived: Picoseconds
  /// Once a step, and whether the first and the last stage meet in it.
  let reduceGradients, optimize: Once

  struct Once {
    var time: Picoseconds
    var exchanges: Bool

    init(_ body: BodySummary, _ cost: any CostModel) {
      time = body.kernels + body.communication(cost)
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
    reduceGradients = Once(block.reduceGradients, cost)
    optimize = Once(block.optimize, cost)
  }

  var forward: Picoseconds { forms.whole }
}
