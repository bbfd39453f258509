package import PlanIR

/// 2-D tensor parallelism by SUMMA (van de Geijn and Watts, 1997), as Optimus trains transformers
/// with it (Xu et al., arXiv 2104.05343): square or rectangular meshes of r rows and c columns.
///
/// | tensor | on device (i, j) of `row` x `col` |
/// |---|---|
/// | every activation | batch block i, columns (or heads) j |
/// | every weight | in-rows i, out-columns j |
/// | vectors | columns j, copies over `row` |
/// | token table, `gathered` and `scattered` | vocabulary rows i, hidden j |
/// | token table, `head` | vocabulary j, hidden i: as an untied head's weight |
///
/// A product gathers its input over `col` and its weight over `row`; backward the input's gradient
/// is scattered over `col`, the weight's over `row`. Elements that one device sends for a linear
/// X[M,n] W[n,m], forward, for the input's gradient and for the weight's, each:
/// `Mn(c-1)/rc + nm(r-1)/rc`; results never move.
package struct SummaLayout: Layout {
  package let name = LayoutName.summa
  package let axisNames = ["row", "col"]
  package let hasPanels = true

  package func tableForms(isTied: Bool) -> [TableForm] { [.gathered, .scattered, .head] }

  private func tables(_ context: LayoutContext) -> PanelTables {
    PanelTables(context: context, outer: [], row: context["row"], column: context["col"])
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
