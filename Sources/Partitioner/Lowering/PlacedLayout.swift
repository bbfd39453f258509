import PlanIR

/// A layout on a plan's mesh.
struct PlacedLayout {
  let layout: any Layout
  var context: LayoutContext

  func storage(of state: ValueState) -> DimensionAxes { layout.storage(of: state, in: context) }
  func weight(of linear: LinearRole) -> DimensionAxes { layout.weight(of: linear, in: context) }
  func factors(of linear: LinearRole) -> DimensionAxes {
    layout.factors(of: linear, in: context)
  }

  /// Into how many parts each dimension of states and weights is split.
  private var splits: [[Dimension: Int]] {
    func parts(_ axes: DimensionAxes) -> [Dimension: Int] {
      Dictionary(uniqueKeysWithValues: axes.dimensions.map { ($0, axes[$0].groupSize) })
    }
    let linears = [
      LinearRole(from: .heads, to: .stream), LinearRole(from: .stream, to: .heads),
      LinearRole(from: .stream, to: .keyValue),
    ]
    return ValueState.allCases.map { parts(storage(of: $0)) }
      + linears.map { parts(weight(of: $0)) }
  }

  /// In a mixture a block must be split as on its own mesh of `degrees`: joined axes may be unable to split
  /// heads where one axis does.
  func checkSplits(_ degrees: [Int]) throws(ConstraintViolation) {
    guard context.axes.areJoined else { return }
    let axes = try layout.axes(for: degrees)
    var own = self
    own.context.mesh = Mesh(axes)
    own.context.axes = NamedAxes(axes.map { ($0.name, own.context.mesh.whole($0.name)) })
    guard own.splits != splits else { return }
    let shape = degrees.map(String.init).joined(separator: "x")
    throw ConstraintViolation(
      constraint: "joined axes split heads as the block's own mesh does",
      found: "\(layout.name.rawValue) \(shape) on \(context.mesh.axes.count) axes",
      needed: "key/value heads that each axis divides", remedy: "another mesh for the other blocks")
  }
}

extension [PlacedLayout] {
  /// Parts of an axis must be cut so that one divides the other: where a mixture's meshes and the
  /// number of key/value heads cut it.
  func checkCuts() throws(ConstraintViolation) {
    var references: [AxisReference] = []
    for layout in self {
      references += layout.context.axes.all
      references += layout.storage(of: .keyValue)[.keyValueHeads]
      for linear in [
        LinearRole(from: .heads, to: .stream), LinearRole(from: .stream, to: .keyValue),
      ] {
        let weight = layout.weight(of: linear)
        references += weight.dimensions.flatMap { weight[$0] }
      }
    }
    guard !AxisCuts(references).isEven else { return }
    throw ConstraintViolation(
      constraint: "parts of an axis divide each other",
      found: "meshes and heads that cut an axis where neither divides",
      needed: "cuts of which each divides the next",
      remedy: "meshes whose degrees divide the heads, or each other")
  }
}
