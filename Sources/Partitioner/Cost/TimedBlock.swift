import PlanIR

/// A block's or joint's bodies, as what they take on the clock alone.
struct TimedBlock {
  let forms: ForwardForms<Picoseconds>
  let inputGradient: Picoseconds
  private let weightGradients: Passes
  /// Of the forward pass and of the input's gradient the time that what they receive is on its way.
  let forwardReceived, inputGradientReceived: Picoseconds
  /// Kernels of its backward pass, and of what it computes again, that are free: beside them gradients may be reduced.
  private let free: Passes
  private let freeAgain: ForwardForms<Picoseconds>
  /// Once a step, and whether the first and the last stage meet in it.
  let reduceGradients, optimize: Once

  /// Of backward passes in one, and of those that are split.
  private struct Passes {
    let joint, split: Picoseconds

    init(_ time: (_ isSplit: Bool) -> Picoseconds) { (joint, split) = (time(false), time(true)) }
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
    let forward = block.forms.map { $0.time(cost) }
    let backward = block.backward(cost)
    forms = forward.map(\.all)
    inputGradient = backward.inputGradient.all
    weightGradients = Passes { backward.weightGradient(isSplit: $0) }
    forwardReceived = block.forward.received(cost)
    inputGradientReceived = block.inputGradient.received(cost)
    free = Passes { backward.free(isSplit: $0) }
    freeAgain = forward.map(\.free)
    reduceGradients = Once(block.reduceGradients, cost)
    optimize = Once(block.optimize, cost)
  }

  var forward: Picoseconds { forms.whole }

  /// The weights' gradients; where backward passes are split, as a pass of their own, which takes no less.
  func weightGradient(isSplit: Bool) -> Picoseconds {
    isSplit ? weightGradients.split : weightGradients.joint
  }

  /// Gradients that it reduces once a step.
  var reductions: Picoseconds { reduceGradients.reductions + optimize.reductions }

  /// Its last backward pass in a layer that is computed again so; where passes are split, that of weights alone.
  func backward(_ recompute: Recomputation, isLast: Bool, isSplit: Bool) -> BackwardWork {
    if isSplit { return BackwardWork(kernels: free.split, reductions: reductions) }
    let again = freeAgain.again(recompute, isLast: isLast) ?? .zero
    return BackwardWork(kernels: free.joint + again, reductions: reductions)
  }
}
