import PlanIR

extension NativeModelReader {
  /// Verifies what needs the whole model but no graphs: the order of classes, sizes, uses,
  /// checkpoint tensors.
  func check(_ model: Model) throws(FormatError) {
    guard ModelLimits.allow(model) else {
      throw root.malformed(expected: "at most 2^44 parameters", found: "more")
    }
    try checkOrder(of: model)
    for segment in model.segments {
      for block in segment.blocks {
        try checkUses(in: block)
        try checkLayerNames(in: block, count: segment.count)
      }
    }
    try checkPositions(of: model)
    try checkCheckpoints(of: model)
  }

  /// The node at which a block, or a part of it, was read.
  func node(_ block: Block, _ part: String = "") -> JSONNode {
    places["block \(block.name)\(part)"] ?? places["block \(block.name)"] ?? root
  }

  private func checkOrder(of model: Model) throws(FormatError) {
    let places = model.segments.flatMap { segment in segment.blocks.map { ($0, segment.count) } }
    for (index, (block, count)) in places.enumerated() {
      let isFirst = index == 0 && count == 1
      let isLast = index == places.count - 1 && count == 1
      if block.blockClass == .embedding, !isFirst {
        throw node(block).malformed(
          expected: "an embedding only as the first block, once", found: block.name.quoted(),
          remedy: "move it, or change its class")
      }
      if block.blockClass == .head, !isLast {
        throw node(block).malformed(
          expected: "a head only as the last block, once", found: block.name.quoted(),
          remedy: "move it, or change its class")
      }
    }
  }

  private func checkPositions(of model: Model) throws(FormatError) {
    let tables = model.segments.flatMap(\.blocks).filter { block in
      block.parameters.contains { $0.dimensions.contains(.positions) }
    }
    guard let table = tables.first else { return }
    for parameter in table.parameters where parameter.dimensions.contains(.positions) {
      if parameter.dimensions == [.positions, .hidden], parameter.checkpoint.part == nil {
        continue
      }
      throw node(table, ", parameter `\(parameter.name)`").malformed(
        expected: "a table [positions, hidden] that is a whole tensor of the checkpoint",
        found: parameter.name.quoted())
    }
    if sizes[.positions] != model.maximumSequence {
      throw try root.field("maximum_sequence").malformed(
        expected: "positions, which is \(sizes[.positions])", remedy: "make the two equal")
    }
  }

  /// Every parameter and value must be read, or it has no gradient; the head alone ends in a loss.
  private func checkUses(in block: Block) throws(FormatError) {
    let read = Set(block.operations.flatMap(\.inputs) + [block.output])
    for parameter in block.parameters where !read.contains(parameter.name) {
      throw node(block, ", parameter `\(parameter.name)`").malformed(
        expected: "a parameter that an operation reads", found: parameter.name.quoted(),
        remedy: "remove it")
    }
    for reference in block.borrowed where !read.contains(reference) {
      throw try node(block).field("borrowed").malformed(
        expected: "parameters that operations read", found: reference.quoted(),
        remedy: "remove it")
    }
    for operation in block.operations where !read.contains(operation.output) {
      throw node(block, ", operation `\(operation.output)`").malformed(
        expected: "an output that is read, or leaves the block",
        found: operation.output.quoted(), remedy: "remove the operation")
    }
    let last = block.operations.last { $0.output == block.output }
    if let last, (last.kind == .crossEntropy) == (block.blockClass == .head) { return }
    throw try node(block).field("output").malformed(
      expected: block.blockClass == .head
        ? "the output of a cross_entropy" : "the output of an operation of the block")
  }

  private func checkLayerNames(in block: Block, count: Int) throws(FormatError) {
    for parameter in block.parameters
    where count > 1 && !parameter.checkpoint.tensor.contains("{layer}") {
      throw node(block, ", parameter `\(parameter.name)`").malformed(
        expected: "`{layer}` in the checkpoint's tensor of a repeated block",
        found: parameter.checkpoint.tensor.quoted(), remedy: "add it")
    }
  }
}
