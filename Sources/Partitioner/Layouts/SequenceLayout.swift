package import PlanIR

/// Sequence rows with all-to-all attention (Jacobs et al., DeepSpeed Ulysses, arXiv 2309.14509):
/// tokens are split, weights copied, and attention splits heads instead.
///
/// | tensor | on device t of `tensor` |
/// |---|---|
/// | residual stream, wide activations, logits | sequence shard t |
/// | heads (queries, keys, values, contexts) | heads t of the whole sequence |
/// | weights, token table | copies, or a chunk each with `weights_over: tensor` |
///
/// Elements sent a layer and micro-batch, E = batch x sequence x hidden, p devices: four all-to-alls
/// each way, `8E(p-1)/p^2`, `9E(p-1)/p^2` where the context is moved again; weight gradients
/// `2(p-1)/p` of all weights once a step.
package struct SequenceLayout: Layout {
  package let name = LayoutName.sequence
  package let axisNames = ["tensor"]
  package let copyAxes = ["tensor"]

  /// Key/value heads are the minor part, so that they move to the sequence and back without a
  /// gather over their copies.
  private func sequence(_ context: LayoutContext) -> DimensionAxes {
    let heads = context.heads(over: context["tensor"])
    return DimensionAxes([.sequence: heads.copies + heads.keyValue])
  }

  package func storage(of state: ValueState, in context: LayoutContext) -> DimensionAxes {
    switch state {
    case .heads, .keyValue: context.columns(state, over: context["tensor"])
    case .stream, .wide, .logits: sequence(context)
    }
  }

  package func weight(of linear: LinearRole, in context: LayoutContext) -> DimensionAxes {
    DimensionAxes()
  }

  package func factors(of linear: LinearRole, in context: LayoutContext) -> DimensionAxes {
    sequence(context)
  }
}
