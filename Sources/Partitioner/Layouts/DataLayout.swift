package import PlanIR

/// Data parallelism alone: every device holds all weights and its own sequences.
///
/// Bytes a device and step: an all-reduce of all gradients over `data`.
package struct DataLayout: Layout {
  package let name = LayoutName.data
  package let axisNames: [String] = []

  package func storage(of state: ValueState, in context: LayoutContext) -> DimensionAxes {
    DimensionAxes()
  }

  package func weight(of linear: LinearRole, in context: LayoutContext) -> DimensionAxes {
    DimensionAxes()
  }

  package func factors(of linear: LinearRole, in context: LayoutContext) -> DimensionAxes {
    DimensionAxes()
  }
}
