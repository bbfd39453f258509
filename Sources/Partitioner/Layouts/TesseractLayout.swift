package import PlanIR

/// 2.5-D tensor parallelism (Wang et al., Tesseract, arXiv 2105.14500): d layers of SUMMA on r rows
/// and c columns, each with its own part of the batch; weights are copied over depth.
///
/// | tensor | on device (i, j, k) of `row` x `col` x `depth` |
/// |---|---|
/// | every activation | batch block (k, i), columns (or heads) j |
/// | every weight, and the token table | as SUMMA's on (i, j), copies over `depth` |
/// | vectors | columns j, copies over `row` and `depth` |
///
/// Forward and for the input's gradient each layer of the mesh runs SUMMA on M/d rows and nothing
/// crosses `depth`. Weight gradients are partial over it: one all-reduce a step, `2(d-1)/d` of the
/// block. (A known public implementation splits neither the batch nor reduces over depth.)
package struct TesseractLayout: Layout {
  package let name = LayoutName.tesseract
  package let axisNames = ["row", "col", "depth"]
  package let copyAxes = ["depth"]
  package let replicaAxes = ["depth"]
  package let hasPanels = true

  package func tableForms(isTied: Bool) -> [TableForm] { [.gathered, .scattered, .head] }

  private func tables(_ context: LayoutContext) -> PanelTables {
    PanelTables(
      context: context, outer: context["depth"], row: context["row"], column: context["col"])
  }

  package func storage(of state: ValueState, in context: LayoutContext) -> DimensionAxes {
    tables(context).storage(of: state)
  }

  package func weight(of linear: LinearRole, in context: LayoutContext) -> DimensionAxes {
    tables(context).weight(of: linear)
  }

  package func factors(of linear: LinearRole, in context: LayoutContext) -> DimensionAxes {
    tables(context).factors(of: linear)
  }
}
