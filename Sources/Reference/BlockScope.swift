internal import PlanIR

/// One repetition of a block: which instances its parameter names mean, and how its places are named.
struct BlockScope {
  let model: Model
  let segment: Model.Segment
  let block: Block
  /// The repetition of the segment, from 0.
  let repetition: Int

  /// The names by which operations read parameters, own and borrowed, and their instances.
  func parameterNames() throws(ReferenceError) -> [(String, ParameterInstance)] {
    var names = block.parameters.map { parameter in
      (parameter.name, instance(block.name, parameter.name, of: segment))
    }
    for reference in block.borrowed { names.append((reference, try owner(of: reference))) }
    return names
  }

  /// The value called `name` that `operation` reads, or that leaves the block where nil.
  func value(
    _ name: String, in names: [String: Tensor], of operation: ModelOperation?
  ) throws(ReferenceError) -> Tensor {
    if let value = names[name] { return value }
    throw ReferenceError(
      place: place(operation), expected: "a value, parameter or `input` defined before",
      found: "`\(name)`")
  }

  /// Throws unless `condition`, with the dimensions of `operands`.
  func require(
    _ condition: Bool, _ expected: String, _ operation: ModelOperation, _ operands: [Tensor]
  ) throws(ReferenceError) {
    guard !condition else { return }
    let found = zip(operation.inputs, operands).map { name, operand in
      "\(name) [\(operand.dimensions.map(\.rawValue).joined(separator: ", "))]"
    }
    throw ReferenceError(
      place: place(operation), expected: expected, found: found.joined(separator: ", "))
  }

  /// The stream of random bits for the dropout that defines `output`.
  func dropoutSite(_ output: String) -> String { "dropout/\(block.name)/\(repetition)/\(output)" }

  private func place(_ operation: ModelOperation?) -> String {
    "block \(block.name), " + (operation.map { "operation `\($0.output)`" } ?? "output")
  }

  private func instance(
    _ block: String, _ parameter: String, of segment: Model.Segment
  ) -> ParameterInstance {
    ParameterInstance(
      block: block, parameter: parameter, layer: segment.count > 1 ? repetition : nil)
  }

  /// The instance that `reference`, `block/parameter`, names: one of a segment that is there once, or
  /// of this very repetition.
  private func owner(of reference: String) throws(ReferenceError) -> ParameterInstance {
    let parts = reference.split(separator: "/", maxSplits: 1).map(String.init)
    let owner = model.segments.first { $0.blocks.contains { $0.name == parts.first } }
    guard parts.count == 2, let owner, owner.count == 1 || owner == segment else {
      throw ReferenceError(
        place: "block \(block.name)",
        expected: "a borrowed `block/parameter` of a segment that is there once",
        found: "`\(reference)`")
    }
    return instance(parts[0], parts[1], of: owner)
  }
}
