import PlanIR

/// Shardings that a model's author wrote on values: such a value is stored as written, whatever its
/// layout would have it, and is resharded where operations compute with another form.
extension LoweringContext {
  /// The sharding written on `value`, or on the value that it is the gradient of; nil of none.
  func annotation(of value: ValueID, in graph: BlockGraph) -> Sharding? {
    guard !graph.shardings.isEmpty else { return nil }
    var subject = value
    if case .gradient(let primal) = graph.values[value].origin,
      graph.values[primal].dimensions == graph.values[value].dimensions
    {
      subject = primal
    }
    return graph.shardings[subject].flatMap { try? sharding($0, of: subject, in: graph) }
  }

  /// Refuses shardings written on values of `graph` that the plan's mesh cannot have, by name.
  func checkAnnotations(of graph: BlockGraph) throws(ConstraintViolation) {
    for (value, written) in graph.shardings.sorted(by: { $0.key < $1.key }) {
      let sharding = try sharding(written, of: value, in: graph)
      let faults = ShardingVerifier.faults(of: sharding, in: mesh)
      if let fault = faults.first {
        throw violation(value, written, graph, needed: "axes of which each splits once: \(fault)")
      }
      _ = try type(graph.values[value], sharding)
    }
  }

  private func sharding(
    _ written: [[String]], of value: ValueID, in graph: BlockGraph
  ) throws(ConstraintViolation) -> Sharding {
    var dimensions: [[AxisReference]] = []
    for names in written {
      var axes: [AxisReference] = []
      for name in names {
        guard let found = axis(name, in: graph) else {
          throw violation(value, written, graph, needed: "an axis `\(name)` of the plan's mesh")
        }
        axes += found
      }
      dimensions.append(axes)
    }
    return Sharding(dimensions: dimensions)
  }

  /// What an axis's name, or `axis:(pre)size`, stands for in blocks like `graph`: none where its size
  /// is 1, nil where there is no such axis.
  private func axis(_ name: String, in graph: BlockGraph) -> [AxisReference]? {
    let parts = name.split(separator: ":", maxSplits: 1).map(String.init)
    guard let whole = wholeAxis(parts[0], in: graph) else { return nil }
    guard parts.count == 2 else { return whole }
    let numbers = parts[1].dropFirst().split(separator: ")").compactMap { Int($0) }
    guard parts[1].hasPrefix("("), numbers.count == 2, whole.count == 1,
      numbers[0] > 0, numbers[1] > 0, whole[0].size % (numbers[0] * numbers[1]) == 0
    else { return nil }
    return [
      AxisReference(
        axis: whole[0].axis, preSize: whole[0].preSize * numbers[0], size: numbers[1])
    ]
  }

  private func wholeAxis(_ name: String, in graph: BlockGraph) -> [AxisReference]? {
    if let axis = mesh.axis(name) { return [axis] }
    let layout = layout(of: graph)
    if layout.layout.axisNames.contains(name) { return layout.context[name] }
    return ["data", "pipeline", "context"].contains(name) ? [] : nil
  }

  private func violation(
    _ value: ValueID, _ written: [[String]], _ graph: BlockGraph, needed: String
  ) -> ConstraintViolation {
    let text = written.map { "{" + $0.joined(separator: ", ") + "}" }.joined(separator: ", ")
    let names = Set(written.joined().map { String($0.prefix { $0 != ":" }) })
    let layout = LayoutCatalog.all.first { layout in
      names.isSubset(of: layout.axisNames + ["data", "pipeline", "context"])
    }
    return ConstraintViolation(
      constraint: "the sharding written on `\(graph.values[value].name)` of block "
        + "`\(graph.name)`", found: "[\(text)]", needed: needed,
      remedy: layout.map { "--layout \($0.name.rawValue), or another sharding" }
        ?? "a sharding over axes of one layout")
  }
}
