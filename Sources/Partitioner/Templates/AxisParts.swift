import PlanIR

/// A mesh's axes cut into the parts in which a plan's tables use them: wherever heads or the meshes of
/// a mixture's blocks end inside an axis.
///
/// Two plans whose tables are alike in terms of parts are lowered alike, whatever the parts' sizes.
struct AxisParts {
  /// In mesh order, major first.
  let references: [AxisReference]

  /// The parts of `mesh` between the cuts that `used` make; the pipeline's axis only where `hasStages`.
  init(_ mesh: Mesh, usedAs used: [AxisReference], hasStages: Bool) {
    let whole = mesh.axes.filter { hasStages || $0.name != "pipeline" }
      .flatMap { mesh.whole($0.name) }
    references = AxisCuts(used + whole).refined(whole)
  }

  private init(_ references: [AxisReference]) { self.references = references }

  /// The same parts on `mesh`, which has the axes of `old`, the outer ones of any size; nil where one of
  /// those is cut.
  func moved(from old: Mesh, to mesh: Mesh) -> AxisParts? {
    var moved: [AxisReference] = []
    for part in references {
      let axis = old.axes[part.axis]
      guard var own = mesh.axis(axis.name) else { return nil }
      if ["data", "pipeline"].contains(axis.name) {
        guard part.size == axis.size else { return nil }
      } else {
        (own.preSize, own.size) = (part.preSize, part.size)
      }
      moved.append(own)
    }
    return AxisParts(moved)
  }

  /// The places of the parts that `axes` are made of, in their order.
  func places(of axes: [AxisReference]) -> [Int] {
    var places: [Int] = []
    for axis in axes {
      for (place, part) in references.enumerated() where axis.contains(part) {
        places.append(place)
      }
    }
    return places
  }

  /// `axes` as a set of parts.
  func set(_ axes: [AxisReference]) -> PartSet {
    var set = PartSet()
    for axis in axes {
      for (place, part) in references.enumerated() where axis.contains(part) { set.insert(place) }
    }
    return set
  }

  var sizes: [Int] { references.map(\.size) }

  /// The axes that lists of places stand for, each list the parts of one axis side by side.
  func axes(_ group: [[Int]]) -> [AxisReference] {
    group.map { places in places.map { references[$0] }.merged[0] }
  }
}

/// A set of parts of a mesh's axes.
struct PartSet: Hashable {
  private(set) var bits: UInt64 = 0

  init() {}

  mutating func insert(_ place: Int) { bits |= 1 << UInt64(place) }

  var isEmpty: Bool { bits == 0 }

  func union(_ other: PartSet) -> PartSet {
    var result = self
    result.bits |= other.bits
    return result
  }

  /// The devices of a group over these parts.
  func groupSize(_ sizes: [Int]) -> Int {
    var (rest, product) = (bits, 1)
    while rest != 0 {
      product *= sizes[rest.trailingZeroBitCount]
      rest &= rest - 1
    }
    return product
  }
}

extension AxisReference {
  /// Whether `part` lies inside it.
  fileprivate func contains(_ part: AxisReference) -> Bool {
    part.axis == axis && part.preSize >= preSize && part.preSize * part.size <= preSize * size
  }
}

/// What blocks read of their layouts' tables.
struct TableUse {
  /// The classes of blocks, with the linears that blocks of each have.
  let classes: [(blockClass: BlockClass, linears: [LinearRole])]
  /// The states that their values are in, in the order of the cases.
  let states: [ValueState]
  /// Those that have shardings written on values.
  let annotated: [BlockGraph]

  /// What the blocks of `group` read.
  init(_ training: TrainingGraph, _ group: BlockGroup) {
    let graphs = group.places.map { training.block($0).graph }
    classes = training.classes(of: group).map { blockClass in
      var linears: [LinearRole] = []
      for graph in graphs where graph.blockClass == blockClass {
        for linear in graph.operations.compactMap(\.linear) where !linears.contains(linear) {
          linears.append(linear)
        }
      }
      return (blockClass, linears)
    }
    let found = Set(graphs.flatMap { graph in graph.values.indices.map { graph.state(of: $0) } })
    states = ValueState.allCases.filter(found.contains)
    annotated = graphs.filter { !$0.shardings.isEmpty }
  }
}

extension LoweringContext {
  /// The tables that blocks are lowered from which read `use`: where states are stored, and where the weights and
  /// factors of linears are; and what is written on values.
  func tables(_ use: TableUse) -> [DimensionAxes] {
    let tables = use.classes.flatMap { blockClass, linears -> [DimensionAxes] in
      let layout = layout(of: blockClass)
      return use.states.map { storage(of: $0, in: blockClass) }
        + linears.flatMap { [layout.weight(of: $0), layout.factors(of: $0)] }
    }
    return tables + use.annotated.flatMap(annotations)
  }

  /// What is written on each value of `graph`.
  private func annotations(_ graph: BlockGraph) -> [DimensionAxes] {
    graph.shardings.keys.sorted().map { value in
      var table = DimensionAxes()
      let written = annotation(of: value, in: graph)?.dimensions ?? []
      for (dimension, axes) in zip(graph.values[value].dimensions, written) {
        table[dimension] = axes
      }
      return table
    }
  }
}

/// Tables in terms of parts, as one value to compare.
struct TableSignature: Hashable {
  private var words: [UInt8] = []

  init(_ tables: [DimensionAxes], _ parts: AxisParts) {
    words.reserveCapacity(16 * tables.count)
    words.append(UInt8(parts.references.count))
    // How many parts each axis has.
    for (part, next) in zip(parts.references, parts.references.dropFirst()) {
      words.append(part.axis == next.axis ? 1 : 0)
    }
    for table in tables {
      for dimension in table.dimensions {
        words.append(128 + UInt8(dimension.place))
        for place in parts.places(of: table[dimension]) { words.append(UInt8(place)) }
      }
      words.append(255)
    }
  }
}
