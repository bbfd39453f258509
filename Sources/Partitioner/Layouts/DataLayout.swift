package import PlanIR

/// Data parallelism alone: every device holds all weights and its own sequences.
///
/// Bytes a device and step: an all-reduce of all gradients over `data`.
package struct DataLayout: Layout {
  package let name = LayoutName.data

  package func axes(for degrees: [Int]) throws(ConstraintViolation) -> [MeshAxis] {
    guard degrees.allSatisfy({ $0 == 1 }) else {
      throw ConstraintViolation(
        constraint: "layout data has no tensor axes",
        found: degrees.map(String.init).joined(separator: "x"), needed: "1",
        remedy: "--layout megatron, or --tensor 1")
    }
    return []
  }

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
