import PlanIR

/// Each block class's layout on a plan's mesh, and where its blocks store values: what of a plan does not
/// depend on what is gathered or sharded. Shared, as what is lowered refers to it everywhere.
final class PlacedLayouts: Sendable {
  let mesh: Mesh
  /// Whole sizes: the batch that enters the mesh at a time, the vocabulary padded.
  let sizes: DimensionSizes
  let data: [AxisReference]
  private let classes: ByBlockClass<Placed>

  private struct Placed {
    var layout: PlacedLayout
    /// By the states' places: every operation asks.
    var storage: [DimensionAxes] = []
    /// The parts of the context axis in the order in which they split the sequence.
    var context: [AxisReference] = []
  }

  init(
    _ choices: PlanChoices, sizes unpadded: DimensionSizes, _ workload: Workload, isTied: Bool
  ) throws(ConstraintViolation) {
    let data = choices.mesh.whole("data")
    (mesh, self.data) = (choices.mesh, data)
    var sizes = unpadded
    sizes[.batch] = choices.degree("data") * choices.microBatch
    let alike = AlikeClasses(choices)
    var classes = ByBlockClass<Placed>()
    for blockClass in alike.distinct {
      let layout = try Self.layout(of: blockClass, choices, sizes, isTied: isTied)
      classes[blockClass] = Placed(layout: layout)
    }
    try alike.distinct.compactMap { classes[$0]?.layout }.checkCuts()
    for blockClass in choices.blockMeshes.keys.sorted(by: { $0.rawValue < $1.rawValue }) {
      let layout = classes[alike.first(blockClass)]?.layout
      try layout?.checkSplits(choices.blockMeshes[blockClass] ?? [])
    }
    let ends = (classes[alike.first(.embedding)]?.layout, classes[alike.first(.head)]?.layout)
    let multiple = workload.padVocabulary * Self.vocabularyAxes(ends.0, ends.1).groupSize
    sizes[.vocabulary] = (sizes[.vocabulary] + multiple - 1) / multiple * multiple
    self.sizes = sizes
    let sequence = ContextAxes(choices.mesh.whole("context"), choices.contextAttention)
    for blockClass in alike.distinct {
      guard var placed = classes[blockClass] else { continue }
      placed.layout.context.sizes = sizes
      placed.storage = ValueState.allCases.map { state in
        var axes = sequence.storage(of: state, in: placed.layout)
        axes[.batch] = data + axes[.batch]
        return axes
      }
      placed.context = sequence.sequence(of: placed.layout)
      classes[blockClass] = placed
    }
    for blockClass in BlockClass.allCases where classes[blockClass] == nil {
      classes[blockClass] = classes[alike.first(blockClass)]
    }
    self.classes = classes
  }

  private static func layout(
    of blockClass: BlockClass, _ choices: PlanChoices, _ sizes: DimensionSizes, isTied: Bool
  ) throws(ConstraintViolation) -> PlacedLayout {
    let layout = try LayoutCatalog.layout(choices.blocks[blockClass] ?? choices.layout)
    let context = LayoutContext(
      mesh: choices.mesh, axes: try choices.axes(of: layout, in: blockClass), sizes: sizes,
      sequenceParallel: choices.sequenceParallel, keyValue: choices.keyValue,
      tableForm: choices.tableForm, isTied: isTied)
    return PlacedLayout(layout: layout, context: context)
  }

  /// The distinct axes that split the vocabulary anywhere.
  private static func vocabularyAxes(
    _ embedding: PlacedLayout?, _ head: PlacedLayout?
  ) -> [AxisReference] {
    var axes: [AxisReference] = []
    func add(_ split: DimensionAxes?) {
      if let split { axes += split[.vocabulary].subtracting(axes) }
    }
    let lookup = LinearRole(from: .logits, to: .stream)
    add(embedding?.factors(of: lookup))
    add(embedding?.weight(of: lookup))
    let projection = LinearRole(from: .stream, to: .logits)
    add(head?.factors(of: projection))
    add(head?.weight(of: projection))
    add(head?.storage(of: .logits))
    return axes
  }

  /// The layout of blocks of class `blockClass`.
  func layout(of blockClass: BlockClass) -> PlacedLayout { placed(blockClass).layout }

  /// Where `state` is stored in blocks of class `blockClass`.
  func storage(of state: ValueState, in blockClass: BlockClass) -> DimensionAxes {
    placed(blockClass).storage[state.place]
  }

  /// The parts of the context axis in the order in which they split the sequence.
  func context(in blockClass: BlockClass) -> [AxisReference] { placed(blockClass).context }

  private func placed(_ blockClass: BlockClass) -> Placed {
    guard let placed = classes[blockClass] else {
      preconditionFailure("no layout of blocks of class \(blockClass.rawValue)")
    }
    return placed
  }
}

/// Which block classes have the layout and the mesh of another.
private struct AlikeClasses {
  private let places: [Int]

  init(_ choices: PlanChoices) {
    let all = BlockClass.allCases
    if choices.blockMeshes.isEmpty && choices.blocks.values.allSatisfy({ $0 == choices.layout }) {
      places = all.map { _ in 0 }
      return
    }
    let layouts = all.map { choices.blocks[$0] ?? choices.layout }
    let meshes = all.map { choices.blockMeshes[$0] }
    places = all.indices.map { index in
      all.indices.first { layouts[$0] == layouts[index] && meshes[$0] == meshes[index] } ?? index
    }
  }

  /// The first that has the layout and the mesh of `blockClass`.
  func first(_ blockClass: BlockClass) -> BlockClass {
    let place = BlockClass.allCases.firstIndex(of: blockClass).map { places[$0] } ?? 0
    return BlockClass.allCases[place]
  }

  /// One of each.
  var distinct: [BlockClass] {
    BlockClass.allCases.indices.filter { places[$0] == $0 }.map { BlockClass.allCases[$0] }
  }
}
