package import PlanIR

/// Every layout that is built, by name: adding one means a file and a line here.
package enum LayoutCatalog {
  package static let all: [any Layout] = [
    DataLayout(), MegatronLayout(), SummaLayout(), TesseractLayout(), ThreeDimensionalLayout(),
    StationaryLayout(), SequenceLayout(),
  ]

  /// The layout called `name`, or a violation that says what is built.
  package static func layout(_ name: LayoutName) throws(ConstraintViolation) -> any Layout {
    if let layout = all.first(where: { $0.name == name }) { return layout }
    throw ConstraintViolation(
      constraint: "layout \(name.rawValue) is not built in this version",
      found: name.rawValue, needed: all.map(\.name.rawValue).joined(separator: " or "),
      remedy: "--layout megatron")
  }

  /// Axes of replicas: data, and those that split the batch alone in any layout.
  static let replicaAxes = Set(["data"] + all.flatMap(\.replicaAxes))

  /// The axes of the layout called `name` that split the batch alone.
  package static func replicaAxes(of name: LayoutName) -> [String] {
    all.first { $0.name == name }?.replicaAxes ?? []
  }

  /// Whether products of the layout called `name` may loop over panels.
  static func hasPanels(_ name: LayoutName) -> Bool {
    all.contains { $0.name == name && $0.hasPanels }
  }
}
