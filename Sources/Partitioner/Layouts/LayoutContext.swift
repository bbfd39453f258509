package import PlanIR

/// What a layout's tables may depend on.
package struct LayoutContext: Sendable {
  package var mesh: Mesh
  /// What each of the layout's axes is in the mesh: itself, or in a mixture the axes or parts of
  /// axes that it joins.
  package var axes: NamedAxes
  package var sizes: DimensionSizes
  package var sequenceParallel: Bool
  package var keyValue: KeyValueForm
  package var tableForm: TableForm
  /// Whether the head reads the embedding's table.
  package var isTied: Bool

  /// The mesh's parts of the layout's axis `name`; none where its size is 1.
  package subscript(name: String) -> [AxisReference] { axes[name] }

  /// `axes` split where key/value heads end: the parts that split key/value heads too, major, and
  /// those over which these have copies.
  package func heads(over axes: [AxisReference]) -> HeadAxes {
    var result = HeadAxes(keyValue: [], copies: [])
    var left = sizes[.keyValueHeads]
    for axis in axes {
      let size = result.copies.isEmpty ? greatestCommonDivisor(axis.size, left) : 1
      let parts = axis.split(majorSize: size)
      result.keyValue += parts.major
      result.copies += parts.minor
      left /= max(size, 1)
    }
    return result
  }

  /// The features of `state` split over `axes`, as values of that state are stored: heads whole,
  /// key/value heads as far as there are any.
  package func columns(_ state: ValueState, over axes: [AxisReference]) -> DimensionAxes {
    switch state {
    case .stream: DimensionAxes([.hidden: axes])
    case .heads, .keyValue: heads(over: axes).stored
    case .wide: DimensionAxes([.wide: axes])
    case .logits: DimensionAxes([.vocabulary: axes])
    }
  }

  /// The out-columns of `linear` split over `axes`: a key/value head that several devices use is
  /// copied on each, or each computes a part of its width.
  package func outColumns(_ linear: LinearRole, over axes: [AxisReference]) -> DimensionAxes {
    guard linear.to == .keyValue else { return columns(linear.to, over: axes) }
    let heads = heads(over: axes)
    return DimensionAxes(
      [.keyValueHeads: heads.keyValue, .headWidth: keyValue == .gathered ? heads.copies : []])
  }

  /// The in-rows of a weight split over `axes`. Rows of heads are split by heads as far as these
  /// divide, then by their width: any split of rows will do, for they are gathered before use.
  package func inRows(_ state: ValueState, over axes: [AxisReference]) -> DimensionAxes {
    guard state == .heads else { return columns(state, over: axes) }
    var (heads, width) = (sizes[.heads], sizes[.headWidth])
    var rows = (heads: [AxisReference](), width: [AxisReference]())
    for axis in axes {
      let major =
        heads % axis.size == 0
        ? axis.size : width % axis.size == 0 ? 1 : greatestCommonDivisor(axis.size, heads)
      let parts = axis.split(majorSize: major)
      rows.heads += parts.major
      rows.width += parts.minor
      heads /= major
      width /= max(axis.size / major, 1)
    }
    return DimensionAxes([.heads: rows.heads, .headWidth: rows.width])
  }
}

/// What each of a layout's axes is in a mesh: few enough that a look through them is the fastest.
package struct NamedAxes: Sendable {
  private let entries: [(name: String, axes: [AxisReference])]

  package init(_ entries: [(String, [AxisReference])]) { self.entries = entries }

  /// The parts of the axis `name`; none of one that there is not.
  package subscript(name: String) -> [AxisReference] {
    for entry in entries where entry.name == name { return entry.axes }
    return []
  }

  /// Whether any has several parts.
  var areJoined: Bool { entries.contains { $0.axes.count > 1 } }

  /// The parts of all of them.
  var all: [AxisReference] { entries.flatMap(\.axes) }
}

/// Axes split where key/value heads end.
package struct HeadAxes: Sendable {
  /// Split query heads and key/value heads.
  package var keyValue: [AxisReference]
  /// Split query heads only: key/value heads are fewer than the axes.
  package var copies: [AxisReference]

  /// All of them.
  package var whole: [AxisReference] { keyValue + copies }

  /// The dimensions of heads where they are stored.
  package var stored: DimensionAxes {
    DimensionAxes([.heads: whole, .keyValueHeads: keyValue])
  }
}

extension DimensionAxes {
  /// Both splits; a dimension that both split, by the second's axes minor.
  package func and(_ other: DimensionAxes) -> DimensionAxes {
    var result = self
    for dimension in other.dimensions {
      result[dimension] = self[dimension] + other[dimension]
    }
    return result
  }
}

func greatestCommonDivisor(_ first: Int, _ second: Int) -> Int {
  second == 0 ? first : greatestCommonDivisor(second, first % second)
}
