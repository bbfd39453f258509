package import PlanIR

/// Megatron's 1-D tensor parallelism (Shoeybi et al., arXiv 1909.08053, section 3), with sequence
/// parallelism (Korthikanti et al., arXiv 2205.05198, section 4.2.2).
///
/// | tensor | on device t of `tensor` |
/// |---|---|
/// | residual stream | whole, or its sequence shard t with sequence parallelism |
/// | heads, wide activations, logits | heads, columns t |
/// | weights into heads, wide, logits | out-columns t |
/// | weights back to the stream | in-rows t |
/// | token table | vocabulary rows t |
///
/// Elements sent a layer and micro-batch, E = batch x sequence x hidden, p devices: `8E(p-1)/p`;
/// with sequence parallelism as much, plus `2E(p-1)/p` where inputs are gathered again.
package struct MegatronLayout: Layout {
  package let name = LayoutName.megatron
  package let axisNames = ["tensor"]
  package let hasSequenceParallelism = true

  package func storage(of state: ValueState, in context: LayoutContext) -> DimensionAxes {
    guard state == .stream else { return context.columns(state, over: context["tensor"]) }
    return DimensionAxes([.sequence: context.sequenceParallel ? context["tensor"] : []])
  }

  package func weight(of linear: LinearRole, in context: LayoutContext) -> DimensionAxes {
    factors(of: linear, in: context)
  }

  package func factors(of linear: LinearRole, in context: LayoutContext) -> DimensionAxes {
    linear.from == .stream
      ? context.outColumns(linear, over: context["tensor"])
      : context.columns(linear.from, over: context["tensor"])
  }
}
