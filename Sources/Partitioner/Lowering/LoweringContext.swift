import PlanIR

/// Everything that decides how a block is lowered: the choices, with sizes padded and layouts found.
struct LoweringContext {
  let choices: PlanChoices
  let mesh: Mesh
  let workload: Workload
  /// Whole sizes: the batch that enters the mesh at a time, the vocabulary padded.
  let sizes: DimensionSizes
  /// Each block class's layout with what its tables may depend on.
  let layouts: ByBlockClass<PlacedLayout>
  let data: [AxisReference]
  /// By block class, the parts of the context axis in the order in which they split the sequence.
  private let contextAxes: ByBlockClass<[AxisReference]>
  /// Where each state is stored in blocks of each class, by the states' places: every operation asks.
  private let stateStorage: ByBlockClass<[DimensionAxes]>
  /// Where what must divide is noted instead of checked, by templates for meshes of any size.
  private var log: DivisibilityLog?
  /// For each parameter of the chain where it is stored and what its gradient stays unreduced over.
  var parameters: [String: ParameterPlacement] = [:]

  /// Where a parameter is stored.
  struct ParameterPlacement {
    var sharding: Sharding
    /// Axes over which devices hold copies with partial gradients, reduced once a step.
    var unreduced: [AxisReference]
    /// Whether the first and the last stage both hold it, one for a block that borrows it.
    var isOnBothEnds = false
    /// Axes over which its gradient, and what the optimizer keeps, are cut into chunks while the
    /// weight is not.
    var gradientChunks: [AxisReference] = []
    var stateChunks: [AxisReference] = []
    /// The form in which the block that owns it and the one that borrows it both compute its
    /// gradient, where the plan adds the two before it is scattered.
    var addedAs: Sharding?

    /// Where the main gradient is stored.
    var gradient: Sharding {
      sharding.with(unreduced: unreduced).with(chunks: sharding.chunks + gradientChunks)
    }
  }

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
    var splits: [[Dimension: Int]] {
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
  }

  init(
    sizes unpadded: DimensionSizes, workload: Workload, choices: PlanChoices, isTied: Bool
  ) throws(ConstraintViolation) {
    self.choices = choices
    self.workload = workload
    mesh = choices.mesh
    var sizes = unpadded
    sizes[.batch] = choices.degree("data") * choices.microBatch
    var layouts = try Self.place(choices, sizes: sizes, isTied: isTied)
    let multiple = workload.padVocabulary * Self.vocabularyAxes(layouts).groupSize
    sizes[.vocabulary] = (sizes[.vocabulary] + multiple - 1) / multiple * multiple
    for blockClass in BlockClass.allCases { layouts[blockClass]?.context.sizes = sizes }
    self.sizes = sizes
    self.layouts = layouts
    let data = mesh.whole("data")
    self.data = data
    try Self.checkRing(choices, workload, sizes)
    let sequence = ContextAxes(mesh.whole("context"), choices.contextAttention)
    var (storage, contexts) = (ByBlockClass<[DimensionAxes]>(), ByBlockClass<[AxisReference]>())
    for blockClass in BlockClass.allCases {
      if let same = Self.same(as: blockClass, choices) {
        (storage[blockClass], contexts[blockClass]) = (storage[same], contexts[same])
        continue
      }
      guard let layout = layouts[blockClass] else { continue }
      storage[blockClass] = ValueState.allCases.map { state in
        var axes = sequence.storage(of: state, in: layout)
        axes[.batch] = data + axes[.batch]
        return axes
      }
      contexts[blockClass] = sequence.sequence(of: layout)
    }
    (stateStorage, contextAxes) = (storage, contexts)
  }

  /// A kind of blocks named before `blockClass` that has its layout and mesh; nil where there is none.
  private static func same(as blockClass: BlockClass, _ choices: PlanChoices) -> BlockClass? {
    func layout(_ own: BlockClass) -> LayoutName { choices.blocks[own] ?? choices.layout }
    return BlockClass.allCases.prefix { $0 != blockClass }.first { other in
      layout(other) == layout(blockClass)
        && choices.blockMeshes[other] == choices.blockMeshes[blockClass]
    }
  }

  private static func place(
    _ choices: PlanChoices, sizes: DimensionSizes, isTied: Bool
  ) throws(ConstraintViolation) -> ByBlockClass<PlacedLayout> {
    var layouts = ByBlockClass<PlacedLayout>()
    for blockClass in BlockClass.allCases {
      if let same = same(as: blockClass, choices) {
        layouts[blockClass] = layouts[same]
        continue
      }
      let layout = try LayoutCatalog.layout(choices.blocks[blockClass] ?? choices.layout)
      let context = LayoutContext(
        mesh: choices.mesh, axes: try choices.axes(of: layout, in: blockClass), sizes: sizes,
        sequenceParallel: choices.sequenceParallel, keyValue: choices.keyValue,
        tableForm: choices.tableForm, isTied: isTied)
      layouts[blockClass] = PlacedLayout(layout: layout, context: context)
    }
    try checkCuts(layouts, choices)
    for blockClass in choices.blockMeshes.keys.sorted(by: { $0.rawValue < $1.rawValue }) {
      guard let layout = layouts[blockClass] else { continue }
      try checkSplits(of: layout, choices.blockMeshes[blockClass] ?? [])
    }
    return layouts
  }

  /// Parts of an axis must be cut so that one divides the other: where a mixture's meshes and the
  /// number of key/value heads cut it.
  private static func checkCuts(
    _ layouts: ByBlockClass<PlacedLayout>, _ choices: PlanChoices
  ) throws(ConstraintViolation) {
    var references: [AxisReference] = []
    for blockClass in BlockClass.allCases where same(as: blockClass, choices) == nil {
      guard let layout = layouts[blockClass] else { continue }
      references += layout.context.axes.values.joined()
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

  /// In a mixture a block must be split as on its own mesh: joined axes may be unable to split heads
  /// where one axis does.
  private static func checkSplits(
    of placed: PlacedLayout, _ degrees: [Int]
  ) throws(ConstraintViolation) {
    let axes = try placed.layout.axes(for: degrees)
    var own = placed
    own.context.mesh = Mesh(axes)
    own.context.axes = Dictionary(
      uniqueKeysWithValues: axes.map { ($0.name, own.context.mesh.whole($0.name)) })
    guard own.splits != placed.splits else { return }
    let shape = degrees.map(String.init).joined(separator: "x")
    throw ConstraintViolation(
      constraint: "joined axes split heads as the block's own mesh does",
      found: "\(placed.layout.name.rawValue) \(shape) on \(placed.context.mesh.axes.count) axes",
      needed: "key/value heads that each axis divides", remedy: "another mesh for the other blocks")
  }

  /// The distinct axes that split the vocabulary anywhere.
  private static func vocabularyAxes(_ layouts: ByBlockClass<PlacedLayout>) -> [AxisReference] {
    let linears = [
      LinearRole(from: .logits, to: .stream), LinearRole(from: .stream, to: .logits),
    ]
    var axes: [AxisReference] = []
    for (blockClass, linear) in zip([BlockClass.embedding, .head], linears) {
      guard let layout = layouts[blockClass] else { continue }
      for split in [layout.factors(of: linear), layout.weight(of: linear)] {
        axes += split[.vocabulary].subtracting(axes)
      }
      guard blockClass == .head else { continue }
      axes += layout.storage(of: .logits)[.vocabulary].subtracting(axes)
    }
    return axes
  }

  /// Which axes split the factors of `linear` while it is computed, data and context among them.
  private func factors(of linear: LinearRole, in graph: BlockGraph) -> DimensionAxes {
    var result = layout(of: graph).factors(of: linear)
    result[.batch] = data + result[.batch]
    result[.sequence] = (contextAxes[graph.blockClass] ?? []) + result[.sequence]
    return result
  }

  func layout(of graph: BlockGraph) -> PlacedLayout {
    guard let layout = layouts[graph.blockClass] else {
      preconditionFailure("no layout of blocks of class \(graph.blockClass.rawValue)")
    }
    return layout
  }

  /// Which axes split the factors of `operation` while it is computed: a linear's as its layout
  /// says, any other's as the value it works on is stored.
  func assignment(of operation: GraphOperation, in graph: BlockGraph) -> DimensionAxes {
    if let linear = operation.linear {
      return factors(of: linear, in: graph)
    }
    let subject = operation.inputs.first ?? operation.outputs.first ?? 0
    return storage(of: graph.state(of: subject), in: graph)
  }

  func storage(of state: ValueState, in graph: BlockGraph) -> DimensionAxes {
    storage(of: state, in: graph.blockClass)
  }

  /// Where `state` is stored in blocks of class `blockClass`.
  func storage(of state: ValueState, in blockClass: BlockClass) -> DimensionAxes {
    stateStorage[blockClass]?[state.place] ?? DimensionAxes()
  }

  /// Where `value` is stored between operations. Gradients of key/value heads stay partial over the
  /// copies of a head: their consumers are linear in them and reduce later at less cost.
  func storage(of value: ValueID, in graph: BlockGraph) -> Sharding {
    let description = graph.values[value]
    if case .parameter(let index) = description.origin,
      let placement = parameters[graph.parameters[index].name]
    {
      return placement.sharding
    }
    let axes = storage(of: graph.state(of: value), in: graph)
    let sharding =
      annotation(of: value, in: graph) ?? axes.sharding(of: description.dimensions)
    guard case .gradient = description.origin, description.dimensions.contains(.keyValueHeads)
    else { return sharding }
    let copies = axes[.heads].subtracting(axes[.keyValueHeads])
    return sharding.with(unreduced: copies.subtracting(sharding.axes))
  }

  /// What `value` is stored partial over.
  private func storedPartial(_ value: ValueID, in graph: BlockGraph) -> [AxisReference] {
    let description = graph.values[value]
    var mayBePartial = !graph.shardings.isEmpty
    switch description.origin {
    case .parameter: mayBePartial = true
    case .gradient:
      mayBePartial = mayBePartial || description.dimensions.contains(.keyValueHeads)
    default: break
    }
    return mayBePartial ? storage(of: value, in: graph).unreduced : []
  }

  /// What an operand may be partial over while `operation` computes with it: what it is stored
  /// partial over, less the axes that split a factor of the operation, whose devices hold other
  /// parts and not other shares of one sum.
  func operandPartial(
    _ input: ValueID, of operation: GraphOperation, _ axes: DimensionAxes, in graph: BlockGraph
  ) -> [AxisReference] {
    let stored = storedPartial(input, in: graph)
    guard !stored.isEmpty else { return [] }
    let factors = Set(
      (operation.inputs + operation.outputs).flatMap { graph.values[$0].dimensions })
    return stored.subtracting(factors.sorted().flatMap { axes[$0] })
  }

  /// The same, in which what must divide is noted in `log` instead.
  func openingSizes(to log: DivisibilityLog) -> LoweringContext {
    var context = self
    context.log = log
    return context
  }

  func type(
    _ value: GraphValue, _ sharding: Sharding
  ) throws(ConstraintViolation) -> TensorType {
    let type = TensorType(
      dimensions: value.dimensions, sizes: sizes.shape(of: value.dimensions), sharding: sharding,
      width: value.width)
    if let log {
      for (index, axes) in sharding.dimensions.enumerated() {
        log.note(value.dimensions[index], type.sizes[index], axes)
      }
      return type
    }
    for (index, axes) in sharding.dimensions.enumerated()
    where type.sizes[index] % axes.groupSize != 0 {
      throw .indivisible(value.dimensions[index], size: type.sizes[index], by: axes, in: mesh)
    }
    return type
  }
}
