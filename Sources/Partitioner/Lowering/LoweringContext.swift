import PlanIR

/// Everything that decides how a block is lowered: the choices, with sizes padded and layouts found.
struct LoweringContext {
  let choices: PlanChoices
  let mesh: Mesh
  let workload: Workload
  /// Whole sizes: the batch that enters the mesh at a time, the vocabulary padded.
  let sizes: DimensionSizes
  let layouts: [BlockClass: any Layout]
  let layoutContext: LayoutContext
  let data: [AxisReference]
  /// Where each state is stored in blocks of each class, asked for by every operation.
  private let stateStorage: [BlockClass: [ValueState: DimensionAxes]]
  /// For each parameter of the chain where it is stored and what its gradient stays unreduced over.
  var parameters: [String: ParameterPlacement] = [:]

  /// Where a parameter is stored.
  struct ParameterPlacement {
    var sharding: Sharding
    /// Axes over which devices hold copies with partial gradients, reduced once a step.
    var unreduced: [AxisReference]
  }

  init(
    sizes unpadded: DimensionSizes, workload: Workload, choices: PlanChoices
  ) throws(ConstraintViolation) {
    self.choices = choices
    self.workload = workload
    mesh = choices.mesh
    var layouts: [BlockClass: any Layout] = [:]
    for blockClass in BlockClass.allCases {
      layouts[blockClass] = try LayoutCatalog.layout(choices.blocks[blockClass] ?? choices.layout)
    }
    self.layouts = layouts
    var sizes = unpadded
    sizes[.batch] = choices.degree("data") * choices.microBatch
    var context = LayoutContext(
      mesh: mesh, sizes: sizes, sequenceParallel: choices.sequenceParallel,
      keyValue: choices.keyValue)
    let multiple = workload.padVocabulary * Self.vocabularyAxes(layouts, context).groupSize
    sizes[.vocabulary] = (sizes[.vocabulary] + multiple - 1) / multiple * multiple
    context.sizes = sizes
    self.sizes = sizes
    layoutContext = context
    let data = mesh.whole("data")
    self.data = data
    stateStorage = layouts.mapValues { layout in
      Dictionary(
        uniqueKeysWithValues: ValueState.allCases.map { state in
          var axes = layout.storage(of: state, in: context)
          axes[.batch] = data + axes[.batch]
          return (state, axes)
        })
    }
  }

  /// The distinct axes that split the vocabulary anywhere.
  private static func vocabularyAxes(
    _ layouts: [BlockClass: any Layout], _ context: LayoutContext
  ) -> [AxisReference] {
    let linears = [
      LinearRole(from: .logits, to: .stream), LinearRole(from: .stream, to: .logits),
    ]
    var axes: Set<AxisReference> = []
    for blockClass in [BlockClass.embedding, .head] {
      guard let layout = layouts[blockClass] else { continue }
      axes.formUnion(layout.storage(of: .logits, in: context)[.vocabulary])
      for linear in linears {
        axes.formUnion(layout.factors(of: linear, in: context)[.vocabulary])
        axes.formUnion(layout.weight(of: linear, in: context)[.vocabulary])
      }
    }
    return axes.sorted()
  }

  /// `axes` with the data axis splitting the batch, major.
  func withData(_ axes: DimensionAxes) -> DimensionAxes {
    var result = axes
    result[.batch] = data + axes[.batch]
    return result
  }

  func layout(of graph: BlockGraph) -> any Layout { layouts[graph.blockClass] ?? DataLayout() }

  /// Which axes split the factors of `operation` while it is computed: a linear's as its layout
  /// says, any other's as the value it works on is stored.
  func assignment(of operation: GraphOperation, in graph: BlockGraph) -> DimensionAxes {
    let layout = layout(of: graph)
    if let linear = operation.linear {
      return withData(layout.factors(of: linear, in: layoutContext))
    }
    let subject = operation.inputs.first ?? operation.outputs.first ?? 0
    return storage(of: graph.state(of: subject), in: graph)
  }

  func storage(of state: ValueState, in graph: BlockGraph) -> DimensionAxes {
    stateStorage[graph.blockClass]?[state] ?? DimensionAxes()
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
    let sharding = axes.sharding(of: description.dimensions)
    guard case .gradient = description.origin, description.dimensions.contains(.keyValueHeads)
    else { return sharding }
    let copies = axes[.heads].filter { !axes[.keyValueHeads].contains($0) }
    return sharding.with(unreduced: copies)
  }

  func type(
    _ value: GraphValue, _ sharding: Sharding
  ) throws(ConstraintViolation) -> TensorType {
    let type = TensorType(
      dimensions: value.dimensions, sizes: sizes.shape(of: value.dimensions), sharding: sharding,
      width: value.width)
    for (index, axes) in sharding.dimensions.enumerated()
    where type.sizes[index] % axes.groupSize != 0 {
      throw violation(value.dimensions[index], size: type.sizes[index], axes)
    }
    return type
  }

  private func violation(
    _ dimension: Dimension, size: Int, _ axes: [AxisReference]
  ) -> ConstraintViolation {
    let parts = axes.groupSize
    let nearest = (1...parts).last { size % $0 == 0 } ?? 1
    let name = mesh.name(of: axes)
    return ConstraintViolation(
      constraint: "\(dimension.rawValue) divisible by \(name)",
      found: "\(dimension.rawValue) \(size), \(name) \(parts)",
      needed: "\(size) % \(parts) == 0", remedy: "\(name) \(nearest)")
  }
}
