/// Breaks a block's operations into primitive ones for one workload.
///
/// Norms become statistics and application, attention the fused kernel or its parts, cross-entropy
/// row maximum, sum, pick, probabilities and loss, so that what must be communicated follows from
/// the dimensions each primitive contracts.
package struct GraphBuilder {
  let model: Model
  let block: Block
  let workload: Workload
  var graph: BlockGraph
  var names: [String: ValueID] = [:]

  /// The graphs of all blocks of `model` under `workload`, by segment and place.
  ///
  /// A model that begins without an embedding gets a block of drawn features, one without a head
  /// the product with a drawn cotangent, so that every chain runs from data to a loss.
  package static func chain(of model: Model, workload: Workload) throws(ModelError)
    -> [ChainSegment]
  {
    var segments: [ChainSegment] = []
    if !model.has(.embedding) {
      segments.append(ChainSegment(count: 1, blocks: [features(model, workload)]))
    }
    for segment in model.segments {
      var blocks: [BlockGraph] = []
      for block in segment.blocks { blocks.append(try build(block, of: model, workload)) }
      segments.append(ChainSegment(count: segment.count, blocks: blocks))
    }
    if !model.has(.head) {
      segments.append(ChainSegment(count: 1, blocks: [cotangent(model, workload)]))
    }
    return segments
  }

  private static func build(
    _ block: Block, of model: Model, _ workload: Workload
  ) throws(ModelError) -> BlockGraph {
    var builder = GraphBuilder(model, block, workload)
    if block.blockClass != .embedding {
      builder.graph.input = builder.add(Block.streamInput, stream, .activation, .stream)
    }
    try builder.addParameters()
    for operation in block.operations { try builder.add(operation) }
    try builder.annotate()
    try builder.close()
    return builder.graph
  }

  private init(_ model: Model, _ block: Block, _ workload: Workload) {
    self.model = model
    self.block = block
    self.workload = workload
    graph = BlockGraph(
      name: block.name, blockClass: block.blockClass, values: [], parameters: [], operations: [],
      sizes: Self.sizes(model, workload))
  }

  static let rows: [Dimension] = [.batch, .sequence]
  static let stream: [Dimension] = [.batch, .sequence, .hidden]

  private static func sizes(_ model: Model, _ workload: Workload) -> DimensionSizes {
    var sizes = model.sizes
    sizes[.sequence] = workload.sequence
    sizes[.keySequence] = workload.sequence
    sizes[.statistic] = NormKind.rms.statisticCount
    sizes[.statisticPair] = NormKind.layer.statisticCount
    sizes[.unusedPositions] = max(model.sizes[.positions] - workload.sequence, 0)
    return sizes
  }

  private static func features(_ model: Model, _ workload: Workload) -> BlockGraph {
    let block = Block(
      name: "features", blockClass: .embedding, parameters: [], operations: [], output: "x")
    var builder = GraphBuilder(model, block, workload)
    let output = builder.add("x", stream, .activation, .computed)
    builder.graph.operations = [GraphOperation(.features, [], [output])]
    builder.graph.output = output
    return builder.graph
  }

  private static func cotangent(_ model: Model, _ workload: Workload) -> BlockGraph {
    let block = Block(
      name: "cotangent", blockClass: .head, parameters: [], operations: [], output: "loss")
    var builder = GraphBuilder(model, block, workload)
    let input = builder.add(Block.streamInput, stream, .activation, .stream)
    let cotangent = builder.add("cotangent", stream, .activation, .cotangent)
    let loss = builder.add("loss", [], .statistic, .computed)
    builder.graph.operations = [GraphOperation(.cotangentLoss, [input, cotangent], [loss])]
    builder.graph.input = input
    builder.graph.loss = loss
    return builder.graph
  }

  // MARK: - Values

  mutating func add(
    _ name: String, _ dimensions: [Dimension], _ width: ValueWidth,
    _ origin: GraphValue.Origin = .computed
  ) -> ValueID {
    graph.values.append(
      GraphValue(name: name, dimensions: dimensions, width: width, origin: origin))
    names[name] = graph.values.count - 1
    return graph.values.count - 1
  }

  mutating func emit(
    _ kind: OperationKind, _ inputs: [ValueID], _ outputs: [ValueID], linear: LinearRole? = nil
  ) {
    graph.operations.append(GraphOperation(kind, inputs, outputs, linear: linear))
  }

  func dimensions(_ value: ValueID) -> [Dimension] { graph.values[value].dimensions }

  private mutating func addParameters() throws(ModelError) {
    for parameter in block.parameters { addParameter(parameter) }
    for reference in block.borrowed {
      guard let parameter = model.parameter(borrowedAs: reference) else {
        throw ModelError(
          place: "block \(block.name)", expected: "a parameter `block/parameter` of the model",
          found: "`\(reference)`", remedy: "name a parameter of an earlier block")
      }
      append(parameter, name: reference, isOwn: false, valueName: reference)
    }
  }

  private mutating func addParameter(_ parameter: Parameter) {
    let whole = "\(block.name)/\(parameter.name)"
    guard parameter.dimensions.first == .positions else {
      return append(parameter, name: whole, isOwn: true, valueName: parameter.name)
    }
    append(
      rows(of: parameter, .sequence, offset: 0), name: whole, isOwn: true,
      valueName: parameter.name)
    guard graph.sizes[.unusedPositions] > 0 else { return }
    append(
      rows(of: parameter, .unusedPositions, offset: workload.sequence),
      name: whole + Self.unusedSuffix,
      isOwn: true, valueName: parameter.name + Self.unusedSuffix)
  }

  /// What the name of a table's rows that a workload does not read ends in.
  package static let unusedSuffix = ".unused"

  /// The rows of a position table that the workload reads, or those it does not.
  private func rows(of table: Parameter, _ dimension: Dimension, offset: Int) -> Parameter {
    var part = table
    part.dimensions[0] = dimension
    if graph.sizes[.unusedPositions] > 0 {
      part.checkpoint.part = .init(axis: 0, offset: offset, total: model.sizes[.positions])
    }
    return part
  }

  private mutating func append(
    _ parameter: Parameter, name: String, isOwn: Bool, valueName: String
  ) {
    graph.parameters.append(GraphParameter(name: name, parameter: parameter, isOwn: isOwn))
    _ = add(valueName, parameter.dimensions, .weight, .parameter(graph.parameters.count - 1))
  }

  /// Notes the shardings that the author wrote; one on a value that this workload does not compute
  /// has nothing to say.
  private mutating func annotate() throws(ModelError) {
    var authors: [ValueID: String] = [:]
    for (name, sharding) in block.shardings.sorted(by: { $0.key < $1.key }) {
      let value = names[name] ?? graph.values.firstIndex { $0.name == name }
      guard let value, graph.values[value].dimensions.count == sharding.count else { continue }
      if let author = authors[value], graph.shardings[value] != sharding {
        throw ModelError(
          place: "block \(block.name), shardings of `\(author)` and `\(name)`",
          expected: "one sharding, for where nothing is dropped they are one value",
          found: "two", remedy: "write the same for both")
      }
      authors[value] = name
      graph.shardings[value] = sharding
    }
  }

  private mutating func close() throws(ModelError) {
    guard let output = names[block.output] else {
      throw ModelError(
        place: "block \(block.name)", expected: "an output that an operation defines",
        found: "`\(block.output)`")
    }
    if dimensions(output).isEmpty {
      graph.loss = output
    } else if dimensions(output) == Self.stream {
      graph.output = output
    } else {
      throw ModelError(
        place: "block \(block.name), output `\(block.output)`",
        expected: "the stream [batch, sequence, hidden] or the loss",
        found: "[\(dimensions(output).map(\.rawValue).joined(separator: ", "))]")
    }
  }
}

/// Blocks that repeat `count` times, as graphs.
package struct ChainSegment: Hashable, Sendable {
  package var count: Int
  package var blocks: [BlockGraph]

  package init(count: Int, blocks: [BlockGraph]) {
    self.count = count
    self.blocks = blocks
  }
}
