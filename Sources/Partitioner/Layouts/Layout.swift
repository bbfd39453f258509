package import PlanIR

/// A tensor-parallel layout: data only. It says where values and weights are stored and which axes
/// split each product while it is computed; communication, cost and memory follow from that.
///
/// The data axis is not its business: it splits the batch of every layout.
package protocol Layout: Sendable {
  /// The name in plans and flags.
  var name: LayoutName { get }

  /// The axes of a tensor mesh of the given degrees, major first.
  func axes(for degrees: [Int]) throws(ConstraintViolation) -> [MeshAxis]

  /// Which axes split the dimensions of a value in `state` where it is stored.
  func storage(of state: ValueState, in context: LayoutContext) -> DimensionAxes

  /// Which axes split the dimensions of the weight of `linear` where it is stored.
  func weight(of linear: LinearRole, in context: LayoutContext) -> DimensionAxes

  /// Which axes split the factors of `linear` while it is computed.
  func factors(of linear: LinearRole, in context: LayoutContext) -> DimensionAxes
}

/// What a layout's tables may depend on.
package struct LayoutContext: Sendable {
  package var mesh: Mesh
  package var sizes: DimensionSizes
  package var sequenceParallel: Bool
  package var keyValue: KeyValueForm

  /// An axis that splits heads, in two: the part that splits key/value heads too, major, and the
  /// part over which they have copies.
  package func headAxis(_ name: String) -> HeadAxis {
    guard let axis = mesh.axis(name) else { return HeadAxis(keyValue: [], copies: []) }
    let parts = axis.split(majorSize: greatestCommonDivisor(axis.size, sizes[.keyValueHeads]))
    return HeadAxis(keyValue: parts.major, copies: parts.minor)
  }
}

/// An axis split where key/value heads end.
package struct HeadAxis: Sendable {
  /// Splits query heads and key/value heads.
  package var keyValue: [AxisReference]
  /// Splits query heads only: key/value heads are fewer than the axis.
  package var copies: [AxisReference]

  /// The whole axis.
  package var whole: [AxisReference] { keyValue + copies }

  /// The dimensions of heads where they are stored.
  package var stored: [Dimension: [AxisReference]] { [.heads: whole, .keyValueHeads: keyValue] }

  /// The dimensions of heads while `linear` computes them: a key/value head that several devices
  /// use is copied on each, or each computes a part of its width.
  package func computed(
    by linear: LinearRole, _ form: KeyValueForm
  ) -> [Dimension: [AxisReference]] {
    var dimensions = stored
    if linear.to == .keyValue && form == .gathered { dimensions[.headWidth] = copies }
    return dimensions
  }
}

func greatestCommonDivisor(_ first: Int, _ second: Int) -> Int {
  second == 0 ? first : greatestCommonDivisor(second, first % second)
}
