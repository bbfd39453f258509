import PlanIR

/// Everything that decides how a block is lowered: the choices, with sizes padded and layouts found.
struct LoweringContext {
  let choices: PlanChoices
  let workload: Workload
  /// Layouts, and where they store values.
  private let placed: PlacedLayouts
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

  init(
    sizes: DimensionSizes, workload: Workload, choices: PlanChoices, isTied: Bool
  ) throws(ConstraintViolation) {
    (self.choices, self.workload) = (choices, workload)
    placed = try PlacedLayouts(choices, sizes: sizes, workload, isTied: isTied)
    try Self.checkRing(choices, workload, placed.sizes)
  }

  var mesh: Mesh { placed.mesh }
  /// Whole sizes: the batch that enters the mesh at a time, the vocabulary padded.
  var sizes: DimensionSizes { placed.sizes }
  var data: [AxisReference] { placed.data }

  /// Which axes split the factors of `linear` while it is computed, data and context among them.
  private func factors(of linear: LinearRole, in graph: BlockGraph) -> DimensionAxes {
    var result = layout(of: graph).factors(of: linear)
    result[.batch] = data + result[.batch]
    result[.sequence] = placed.context(in: graph.blockClass) + result[.sequence]
    return result
  }

  func layout(of graph: BlockGraph) -> PlacedLayout { layout(of: graph.blockClass) }

  func layout(of blockClass: BlockClass) -> PlacedLayout { placed.layout(of: blockClass) }

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
    placed.storage(of: state, in: blockClass)
  }

  /// Where `value` is stored between operations. Gradients of key/value heads stay partial over the
  /// copies of a head, of which attention computes each its share: their consumers are linear in them and reduce
  /// later at less cost.
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
    guard case .gradient(let source) = description.origin,
      description.dimensions.contains(.keyValueHeads), graph.feedsAttentionAlone(source)
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
