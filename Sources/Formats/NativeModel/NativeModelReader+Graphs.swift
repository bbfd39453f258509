import PlanIR

extension NativeModelReader {
  /// Verifies that `model` makes graphs under its workload and under one with every optional value,
  /// and gives it the initial values that it does not state.
  func checkGraphs(of model: Model) throws(FormatError) -> Model {
    var overrides = WorkloadOverrides()
    let workload = overrides.resolved(for: model)
    try check(workload, of: model)
    overrides.attention = .unfused
    overrides.dropout = 0.5
    let chain = try chain(of: model, workload)
    let full = try self.chain(of: model, overrides.resolved(for: model))
    for graph in chain.flatMap(\.blocks) { try checkRotations(in: graph) }
    for graph in full.flatMap(\.blocks) { try checkNames(in: graph) }
    for block in model.segments.flatMap(\.blocks) {
      try checkShardings(of: block, in: full.flatMap(\.blocks))
    }
    return model.withInitialValues(from: chain, except: stated)
  }

  private func check(_ workload: Workload, of model: Model) throws(FormatError) {
    let node = try root.optional("workload") ?? root
    if workload.sequence > model.maximumSequence {
      throw try node.field("sequence").malformed(
        expected: "at most maximum_sequence, which is \(model.maximumSequence)")
    }
    if !ModelLimits.allow(workload, of: model) {
      throw node.malformed(
        expected: "a step whose largest activation has at most 2^56 elements", found: "a larger")
    }
  }

  private func chain(
    of model: Model, _ workload: Workload
  ) throws(FormatError) -> [ChainSegment] {
    do throws(ModelError) {
      return try GraphBuilder.chain(of: model, workload: workload)
    } catch {
      throw located(error)
    }
  }

  /// `error` at the JSON path of the block or operation it tells of.
  private func located(_ error: ModelError) -> FormatError {
    let place = error.place
    let block = place.prefix { $0 != "," }
    let node = places[place] ?? places[String(block)] ?? root
    return node.malformed(
      expected: error.expected, found: error.found,
      remedy: error.remedy.isEmpty ? "see \(place)" : error.remedy)
  }

  /// Names that the builder gives to parts of operations must not be taken.
  private func checkNames(in graph: BlockGraph) throws(FormatError) {
    var seen: Set<String> = []
    for value in graph.values where !seen.insert(value.name).inserted {
      throw (places["block \(graph.name)"] ?? root).malformed(
        expected: "values of different names", found: "two called \(value.name.quoted())",
        remedy: "rename one: operations name their parts `output.part`")
    }
  }

  private func checkRotations(in graph: BlockGraph) throws(FormatError) {
    for operation in graph.operations {
      guard case .rotary = operation.kind else { continue }
      let value = graph.values[operation.outputs[0]]
      let heads: [[Dimension]] = [[.heads, .headWidth], [.keyValueHeads, .headWidth]]
      if heads.contains(value.dimensions.suffix(2)) { continue }
      let node = places["block \(graph.name), operation `\(value.name)`"] ?? root
      throw node.malformed(
        expected: "an input [batch, sequence, heads or key_value_heads, head_width]",
        found: "[\(value.dimensions.map(\.rawValue).joined(separator: ", "))]")
    }
  }

  private func checkShardings(
    of block: Block, in graphs: [BlockGraph]
  ) throws(FormatError) {
    guard let graph = graphs.first(where: { $0.name == block.name }) else { return }
    for (name, dimensions) in block.shardings.sorted(by: { $0.key < $1.key }) {
      let value = graph.values.first { $0.name == name }
      if value?.dimensions.count == dimensions.count { continue }
      let rank = value.map { "\($0.dimensions.count) lists of axes, one a dimension" }
      throw try node(block).field("shardings").field(name).malformed(
        expected: rank ?? "the name of a value or parameter of the block",
        found: value == nil ? name.quoted() : nil)
    }
  }
}
