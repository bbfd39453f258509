package import PlanIR

/// 3-D tensor parallelism (Bian et al., arXiv 2105.14450) on cubes and boxes: linears in alternating
/// pairs, of which the second turns the roles of j and k back.
///
/// | tensor | on device (i, j, k) |
/// |---|---|
/// | residual stream | batch block (i, j), hidden k |
/// | heads, wide activations, logits | batch block (i, k), heads or columns j |
/// | weights from the stream | in-rows (k, i), out-columns j |
/// | weights back to the stream | in-rows (j, i), out-columns k |
/// | token table and the head's weight | vocabulary (j, i), hidden k |
///
/// A linear from the stream gathers its input over j and its weight over i, and scatters its result
/// over k; back to the stream with j and k exchanged. Elements that one device sends for X[M,n]
/// W[n,m] from the stream, p = ijk: forward `(j-1)Mn/p + (i-1)nm/p + (k-1)Mm/p`, backward the same,
/// and the first two once more where they are gathered again. The minor order of in-rows matters:
/// i-major rows would gather over i and k together.
package struct ThreeDimensionalLayout: Layout {
  package let name = LayoutName.threeDimensional
  package let axisNames = ["i", "j", "k"]

  package func storage(of state: ValueState, in context: LayoutContext) -> DimensionAxes {
    let (minor, column) = state == .stream ? ("j", "k") : ("k", "j")
    return DimensionAxes([.batch: context["i"] + context[minor]])
      .and(context.columns(state, over: context[column]))
  }

  package func weight(of linear: LinearRole, in context: LayoutContext) -> DimensionAxes {
    if linear.from == .logits || linear.to == .logits {
      return DimensionAxes([.vocabulary: context["j"] + context["i"], .hidden: context["k"]])
    }
    let (row, column) = linear.from == .stream ? ("k", "j") : ("j", "k")
    return context.inRows(linear.from, over: context[row] + context["i"])
      .and(context.outColumns(linear, over: context[column]))
  }

  package func factors(of linear: LinearRole, in context: LayoutContext) -> DimensionAxes {
    let (row, column) = linear.from == .stream ? ("k", "j") : ("j", "k")
    return DimensionAxes([.batch: context["i"]])
      .and(context.columns(linear.from, over: context[row]))
      .and(context.outColumns(linear, over: context[column]))
  }
}
