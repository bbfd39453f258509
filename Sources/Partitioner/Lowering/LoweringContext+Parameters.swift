import PlanIR

extension LoweringContext {
  /// The sharding in which `operation` computes `output`: split as its factors are; partial over the
  /// axes that split dimensions it contracts, and over those its operands are partial over.
  func computedSharding(
    of output: ValueID, _ operation: GraphOperation, _ axes: DimensionAxes, in graph: BlockGraph
  ) -> Sharding {
    let dimensions = graph.values[output].dimensions
    let sharding = axes.sharding(of: dimensions)
    var partial: [AxisReference] = []
    for input in operation.inputs {
      for dimension in graph.values[input].dimensions where !dimensions.contains(dimension) {
        partial += axes[dimension].subtracting(partial)
      }
      if case .gradient = graph.values[input].origin {
        partial += operandPartial(input, of: operation, axes, in: graph).subtracting(partial)
      }
    }
    return sharding.with(unreduced: partial.subtracting(sharding.axes))
  }

  /// Decides where each parameter of the chain is stored, by the first operation that reads it, and
  /// over which axes its gradient stays partial until the step's end: those over which every use
  /// leaves it partial and that do not split the weight itself.
  mutating func placeParameters(
    of chain: [GradientGraph]
  ) throws(ConstraintViolation) {
    for gradients in chain {
      for value in gradients.graph.values.indices {
        guard case .parameter(let index) = gradients.graph.values[value].origin else { continue }
        let name = gradients.graph.parameters[index].name
        if parameters[name] == nil {
          let sharding = stored(value, in: gradients.graph)
          parameters[name] = placement(
            sharding.with(chunks: weightsOver.subtracting(sharding.axes)))
        }
        if !gradients.graph.parameters[index].isOwn && mesh.stageCount > 1 {
          try checkBorrower(gradients.graph, name)
          parameters[name]?.isOnBothEnds = true
        }
      }
    }
    var computed: [String: [Sharding]] = [:]
    // How many blocks compute a gradient of each.
    var blocks: [String: Int] = [:]
    for gradients in chain {
      let own = try computedGradients(gradients)
      computed.merge(own) { $0 + $1 }
      for name in own.keys { blocks[name, default: 0] += 1 }
    }
    for (name, forms) in computed {
      guard let gradient = parameters[name]?.gradient else { continue }
      let partial = forms.dropFirst().reduce(forms[0].unreduced) {
        $0.intersecting($1.unreduced)
      }
      let unreduced = partial.subtracting(gradient.axes + gradient.chunks).joined
      parameters[name]?.unreduced = unreduced
      guard choices.tableGradients == .added, forms.count == 2, blocks[name] == 2,
        forms[0] == forms[1],
        forms[0] != gradient.with(unreduced: unreduced)
      else { continue }
      parameters[name]?.addedAs = forms[0]
    }
  }

  /// Whether the first and the last pipeline stage both hold the parameter `name`.
  func isOnBothEnds(_ name: String) -> Bool { parameters[name]?.isOnBothEnds ?? false }

  /// Over stages the head alone may borrow, a table of the embedding, and adds its gradient apart.
  private func checkBorrower(
    _ graph: BlockGraph, _ name: String
  ) throws(ConstraintViolation) {
    guard graph.blockClass == .head, choices.tableGradients == .apart else {
      throw ConstraintViolation(
        constraint: "over pipeline stages a head alone borrows a parameter, its gradient apart",
        found: "\(graph.name) borrows \(name), gradients \(choices.tableGradients.rawValue)",
        needed: "the embedding's table in a head, gradients apart", remedy: "--pipeline 1")
    }
  }

  /// A weight stored as `sharding`, what goes with it sharded over data as ``PlanChoices/zero`` says.
  private func placement(_ sharding: Sharding) -> ParameterPlacement {
    let free = data.subtracting(sharding.axes + sharding.chunks)
    return ParameterPlacement(
      sharding: sharding, unreduced: [], gradientChunks: choices.zero == 2 ? free : [],
      stateChunks: [1, 2].contains(choices.zero) ? free : [])
  }

  /// The axes over which the plan shards weights beside their own.
  private var weightsOver: [AxisReference] {
    choices.weightsOver.flatMap { mesh.whole($0) }
  }

  private func stored(_ value: ValueID, in graph: BlockGraph) -> Sharding {
    if let written = annotation(of: value, in: graph) { return written }
    let dimensions = graph.values[value].dimensions
    guard let reader = graph.operations.first(where: { $0.inputs.contains(value) }) else {
      return unread(value, in: graph)
    }
    if let linear = reader.linear {
      return layout(of: graph).weight(of: linear).sharding(of: dimensions)
    }
    return assignment(of: reader, in: graph).sharding(of: dimensions)
  }

  /// Rows of a table that nothing reads lie as those do that are read, none of them apart.
  private func unread(_ value: ValueID, in graph: BlockGraph) -> Sharding {
    let dimensions = graph.values[value].dimensions
    let table = graph.values.firstIndex {
      $0.name + GraphBuilder.unusedSuffix == graph.values[value].name
    }
    guard let table else { return Sharding(dimensions: dimensions.map { _ in [] }) }
    let axes = zip(graph.values[table].dimensions, stored(table, in: graph).dimensions)
    return Sharding(
      dimensions: dimensions.map { own in axes.first { $0.0 == own }?.1 ?? [] })
  }

  /// The shardings in which a block computes the gradients of its parameters, one for each
  /// operation that contributes.
  private func computedGradients(
    _ gradients: GradientGraph
  ) throws(ConstraintViolation) -> [String: [Sharding]] {
    var result: [String: [Sharding]] = [:]
    let graph = gradients.graph
    for operation in gradients.weightGradient {
      guard let output = operation.outputs.first,
        case .gradient(let primal) = graph.values[output].origin,
        case .parameter(let index) = graph.values[primal].origin
      else { continue }
      let axes = assignment(of: operation, in: graph)
      let panels = try panelDimension(of: operation, in: graph)
      let computed =
        panels.map { panelSum(of: output, operation, axes, $0, in: graph) }
        ?? computedSharding(of: output, operation, axes, in: graph)
      result[graph.parameters[index].name, default: []].append(computed)
    }
    return result
  }
}
