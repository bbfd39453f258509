package import PlanIR

/// A tensor-parallel layout: data only. It says where values and weights are stored and which axes
/// split each product while it is computed; communication, cost and memory follow from that.
///
/// The data axis is not its business: it splits the batch of every layout.
package protocol Layout: Sendable {
  /// The name in plans and flags.
  var name: LayoutName { get }

  /// The names of its mesh axes, major first.
  var axisNames: [String] { get }

  /// Its axes that split the rows of activations beside the data axis, while weights have copies
  /// over them: weights may be sharded over these too.
  var copyAxes: [String] { get }

  /// Those of them that split the batch alone, as the data axis does: what lies on the others is a replica.
  var replicaAxes: [String] { get }

  /// Whether the residual stream may be split along the sequence in addition.
  var hasSequenceParallelism: Bool { get }

  /// Whether its products gather their operands along the dimension that both are stored split by,
  /// so that they may loop over panels instead (van de Geijn and Watts, SUMMA, 1997).
  var hasPanels: Bool { get }

  /// The forms in which it may store a token table, the default first.
  func tableForms(isTied: Bool) -> [TableForm]

  /// Which axes split the dimensions of a value in `state` where it is stored.
  func storage(of state: ValueState, in context: LayoutContext) -> DimensionAxes

  /// Which axes split the dimensions of the weight of `linear` where it is stored.
  func weight(of linear: LinearRole, in context: LayoutContext) -> DimensionAxes

  /// Which axes split the factors of `linear` while it is computed.
  func factors(of linear: LinearRole, in context: LayoutContext) -> DimensionAxes
}

extension Layout {
  package var copyAxes: [String] { [] }
  package var replicaAxes: [String] { [] }
  package var hasSequenceParallelism: Bool { false }
  package var hasPanels: Bool { false }

  package func tableForms(isTied: Bool) -> [TableForm] { [.gathered] }

  /// The axes of a tensor mesh of the given degrees, major first.
  package func axes(for degrees: [Int]) throws(ConstraintViolation) -> [MeshAxis] {
    let shape = degrees.map(String.init).joined(separator: "x")
    guard degrees.count == axisNames.count else {
      throw ConstraintViolation(
        constraint: "layout \(name.rawValue) has \(axisNames.count) tensor axes",
        found: shape.isEmpty ? "none" : shape,
        needed: axisNames.isEmpty ? "none" : axisNames.joined(separator: " x "),
        remedy: "--mesh with \(axisNames.count) degrees")
    }
    return zip(axisNames, degrees).map { MeshAxis($0, $1) }
  }
}
