import PlanIR

extension NativeModelReader {
  /// Reads the operations of the block at `node`.
  mutating func readOperations(of node: JSONNode, into block: inout Block) throws(FormatError) {
    let list = try node.field("operations")
    let elements = try list.array()
    if elements.isEmpty || elements.count > ModelLimits.writtenParts {
      throw list.malformed(expected: "1 to \(ModelLimits.writtenParts) operations")
    }
    let known = Set(block.parameters.map(\.name) + block.borrowed)
    for element in elements {
      let name = try element.field("operation").choice(of: OperationName.self)
      try element.refuseFields(besides: ["operation", "inputs", "output"] + name.attributes)
      try checkClass(of: name, element, block.blockClass)
      let output = try element.field("output").modelName()
      if [Block.streamInput, "tokens", "labels"].contains(output) {
        throw try element.field("output").malformed(
          expected: "another name than input, tokens and labels", remedy: "rename it")
      }
      let inputs = try element.field("inputs")
      try checkOperands(inputs, of: name, parameters: known)
      block.operations.append(
        ModelOperation(
          try element.kind(name, width: sizes[.headWidth]), try inputs.strings(),
          output: output))
      let place = "block \(block.name), operation `\(output)`"
      // A second output of the name is refused later, at its own place.
      places[place] = element
    }
  }

  private func checkClass(
    of name: OperationName, _ element: JSONNode, _ blockClass: BlockClass
  ) throws(FormatError) {
    guard let needed = name.blockClass, needed != blockClass else { return }
    throw try element.field("operation").malformed(
      expected: "an operation of a block of class \"\(blockClass.rawValue)\"",
      remedy: "move it to a block of class \"\(needed.rawValue)\"")
  }

  private func checkOperands(
    _ inputs: JSONNode, of name: OperationName, parameters: Set<String>
  ) throws(FormatError) {
    for (index, element) in try inputs.array().enumerated() {
      let isParameter = parameters.contains(try element.string())
      if name.parameterPlaces.contains(index) == isParameter { continue }
      throw element.malformed(
        expected: isParameter ? "a value" : "a parameter of the block, or one it borrows",
        remedy: "check the order of the inputs")
    }
  }
}

extension JSONNode {
  /// What the operation called `name` at this node computes.
  fileprivate func kind(
    _ name: OperationName, width: Int
  ) throws(FormatError) -> ModelOperation.Kind {
    switch name {
    case .embedding: return .embedding
    case .positionEmbedding: return .positionEmbedding
    case .linear: return .linear
    case .add: return .add
    case .norm:
      let kind = try field("norm").nativeNorm()
      return .norm(kind, epsilon: try field("epsilon").number(in: 1e-30...1))
    case .activation:
      return .activation(try field("function").choice(of: ActivationKind.self))
    case .gatedActivation:
      return .gatedActivation(try field("function").choice(of: ActivationKind.self))
    case .rotary: return .rotary(try rotarySettings(width: width))
    case .attention: return .attention(try attentionSettings())
    case .dropout: return .dropout
    case .crossEntropy: return .crossEntropy
    }
  }

  private func nativeNorm() throws(FormatError) -> NormKind {
    if case .string(let text) = value, let kind = NormKind(rawValue: text) { return kind }
    throw malformed(expected: #"one of "layer", "rms""#)
  }

  private func attentionSettings() throws(FormatError) -> AttentionSettings {
    AttentionSettings(
      causal: try field("causal").bool(),
      window: try optional("window")?.positiveInteger(upTo: ModelLimits.dimension),
      scale: try field("scale").number(in: 1e-9...1e9))
  }
}
