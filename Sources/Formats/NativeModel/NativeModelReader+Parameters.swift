import PlanIR

extension NativeModelReader {
  /// Reads the parameters of the block at `node`.
  mutating func readParameters(
    of node: JSONNode, into block: inout Block
  ) throws(FormatError) {
    for element in try node.field("parameters").array() {
      try element.refuseFields(besides: ["name", "dimensions", "initial", "checkpoint"])
      let name = try element.field("name").modelName()
      let reserved = [Block.streamInput, "tokens", "labels"].contains(name)
      if reserved || block.parameters.contains(where: { $0.name == name }) {
        throw try element.field("name").malformed(
          expected: "a name that nothing else in the block has", remedy: "rename it")
      }
      let initial = try element.optional("initial")?.initialValue()
      if initial != nil { stated.insert("\(block.name)/\(name)") }
      let slice = try element.optional("checkpoint")?.checkpointSlice()
      block.parameters.append(
        Parameter(
          name: name, dimensions: try dimensions(element.field("dimensions")),
          initial: initial ?? InitialValue(deviation: 0),
          checkpoint: slice ?? Self.standardSlice(name, in: block)))
      places["block \(block.name), parameter `\(name)`"] = element
    }
  }

  private static func standardSlice(_ parameter: String, in block: Block) -> CheckpointSlice {
    let isOnce = block.blockClass == .embedding || block.blockClass == .head
    return CheckpointSlice("\(block.name).\(isOnce ? "" : "{layer}.")\(parameter)")
  }

  private func dimensions(_ node: JSONNode) throws(FormatError) -> [Dimension] {
    var dimensions: [Dimension] = []
    for element in try node.array() {
      let dimension = Self.sizedDimensions.first { element.value == .string($0.rawValue) }
      guard let dimension else {
        let names = Self.sizedDimensions.map { $0.rawValue.quoted() }.joined(separator: ", ")
        throw element.malformed(expected: "one of \(names)")
      }
      if dimensions.contains(dimension) {
        throw element.malformed(expected: "a dimension that did not come before")
      }
      if sizes[dimension] == 0 {
        throw element.malformed(
          expected: "a dimension with a size in `dimensions`", remedy: "state its size there")
      }
      dimensions.append(dimension)
    }
    let elements = ModelLimits.product(
      sizes.shape(of: dimensions), upTo: ModelLimits.parameterElements)
    if !dimensions.isEmpty, elements != nil { return dimensions }
    throw node.malformed(expected: "1 or more dimensions, at most 2^40 elements")
  }
}

extension JSONNode {
  fileprivate func initialValue() throws(FormatError) -> InitialValue {
    try refuseFields(besides: ["mean", "deviation"])
    return InitialValue(
      mean: try optional("mean")?.number(in: -1e6...1e6) ?? 0,
      deviation: try field("deviation").number(in: 0...1e6))
  }

  fileprivate func checkpointSlice() throws(FormatError) -> CheckpointSlice {
    try refuseFields(besides: ["tensor", "part"])
    let tensor = try field("tensor")
    let name = try tensor.string()
    if name.isEmpty || name.utf8.count > 300 || name.ranges(of: "{layer}").count > 1 {
      throw tensor.malformed(expected: "1 to 300 bytes, `{layer}` at most once")
    }
    guard let part = try optional("part") else { return CheckpointSlice(name) }
    try part.refuseFields(besides: ["axis", "offset", "total"])
    return CheckpointSlice(
      name,
      part: .init(
        axis: try part.field("axis").nonNegativeInteger(upTo: 7),
        offset: try part.field("offset").nonNegativeInteger(upTo: ModelLimits.parameterElements),
        total: try part.field("total").positiveInteger(upTo: ModelLimits.parameterElements)))
  }
}
