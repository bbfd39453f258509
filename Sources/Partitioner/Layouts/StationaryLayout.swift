package import PlanIR

/// Weight-stationary 2-D tensor parallelism on x by y devices: no weight ever moves. Derived, after
/// the pattern of inference serving (Pope et al., arXiv 2211.05102, section 3.2.2); x = 1 is
/// Megatron.
///
/// | tensor | on device (i, j) of `x` x `y` |
/// |---|---|
/// | residual stream | hidden i; with sequence parallelism its sequence shard j too |
/// | heads, wide activations, logits | heads, columns (j, i) |
/// | weights from the stream | in-rows i, out-columns j |
/// | weights back to the stream | in-rows j, out-columns i |
/// | token table and the head's weight | vocabulary (j, i), hidden whole |
///
/// Elements sent a layer and micro-batch, E = batch x sequence x hidden, p = xy:
/// `E (24(x-1) + 8(y-1))/p` where gathered inputs are saved, `E (29(x-1) + 8(y-1))/p` where they are
/// gathered again.
package struct StationaryLayout: Layout {
  package let name = LayoutName.stationary
  package let axisNames = ["x", "y"]
  package let hasSequenceParallelism = true

  private func both(_ context: LayoutContext) -> [AxisReference] { context["y"] + context["x"] }

  package func storage(of state: ValueState, in context: LayoutContext) -> DimensionAxes {
    guard state == .stream else { return context.columns(state, over: both(context)) }
    return DimensionAxes([
      .hidden: context["x"], .sequence: context.sequenceParallel ? context["y"] : [],
    ])
  }

  package func weight(of linear: LinearRole, in context: LayoutContext) -> DimensionAxes {
    factors(of: linear, in: context)
  }

  package func factors(of linear: LinearRole, in context: LayoutContext) -> DimensionAxes {
    if linear.from == .logits || linear.to == .logits {
      return DimensionAxes([.vocabulary: both(context)])
    }
    return linear.from == .stream
      ? DimensionAxes([.hidden: context["x"]]).and(context.outColumns(linear, over: context["y"]))
      : context.columns(linear.from, over: context["y"]).and(DimensionAxes([.hidden: context["x"]]))
  }
}
