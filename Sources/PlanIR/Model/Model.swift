/// A transformer as a chain of blocks over one residual stream.
///
/// Blocks repeat in segments: an embedding once, a layer (attention, mlp) many times, a head once.
/// Shapes are symbolic in named dimensions; batch and sequence come from the workload.
package struct Model: Hashable, Sendable {
  package var name: String
  /// `gpt2`, `llama`, or whatever its author calls it.
  package var family: String
  /// Sizes of all dimensions but batch and sequence.
  package var sizes: DimensionSizes
  /// The longest sequence the model takes.
  package var maximumSequence: Int
  package var segments: [Segment]
  /// The workload its author meant, if any; it wins over defaults.
  package var workload: WorkloadOverrides?

  /// Blocks that repeat `count` times, in order.
  package struct Segment: Hashable, Sendable {
    package var count: Int
    package var blocks: [Block]

    package init(count: Int, blocks: [Block]) {
      self.count = count
      self.blocks = blocks
    }
  }

  package init(
    name: String, family: String, sizes: DimensionSizes, maximumSequence: Int,
    segments: [Segment], workload: WorkloadOverrides? = nil
  ) {
    self.name = name
    self.family = family
    self.sizes = sizes
    self.maximumSequence = maximumSequence
    self.segments = segments
    self.workload = workload
  }
}

/// A block: parameters and operations from the stream that enters to the one that leaves.
package struct Block: Hashable, Sendable {
  package var name: String
  package var blockClass: BlockClass
  package var parameters: [Parameter]
  /// Parameters of earlier blocks read here, `block/parameter`: a tied table.
  package var borrowed: [String]
  package var operations: [ModelOperation]
  /// The value that leaves the block, or the loss.
  package var output: String
  /// Shardings the author wrote on values, Shardy-like: axes for each dimension.
  package var shardings: [String: [[String]]]

  package init(
    name: String, blockClass: BlockClass, parameters: [Parameter], borrowed: [String] = [],
    operations: [ModelOperation], output: String, shardings: [String: [[String]]] = [:]
  ) {
    self.name = name
    self.blockClass = blockClass
    self.parameters = parameters
    self.borrowed = borrowed
    self.operations = operations
    self.output = output
    self.shardings = shardings
  }

  /// The name by which blocks, graphs and operations call the stream that enters.
  package static let streamInput = "input"
}

extension Model {
  /// Blocks of repeated segments, counted: the layers.
  package var layers: Int {
    segments.filter { $0.blocks.contains { $0.blockClass == .attention || $0.blockClass == .mlp } }
      .reduce(0) { $0 + $1.count }
  }

  /// Whether any block is of class `blockClass`.
  package func has(_ blockClass: BlockClass) -> Bool {
    segments.contains { $0.blocks.contains { $0.blockClass == blockClass } }
  }

  /// Elements of all parameters, a tied one counted once, without vocabulary padding.
  package var parameterCount: Int {
    segments.reduce(0) { total, segment in
      total + segment.count
        * segment.blocks.flatMap(\.parameters).reduce(0) { sum, parameter in
          sum + sizes.shape(of: parameter.dimensions).reduce(1, *)
        }
    }
  }

  /// The names of the tensors that a checkpoint of it holds.
  package var checkpointNames: Set<String> {
    var names: Set<String> = []
    for segment in segments {
      for parameter in segment.blocks.flatMap(\.parameters) {
        for layer in 0..<segment.count {
          names.insert(parameter.checkpoint.tensorName(layer: layer))
        }
      }
    }
    return names
  }

  /// Elements of the weights of linears, the head's included whether tied or not, an embedding's
  /// table read by lookup not: the weights that count in `model_flops_utilization`.
  package var matmulWeightCount: Int {
    segments.reduce(0) { total, segment in
      total + segment.count * segment.blocks.reduce(0) { $0 + linearWeightCount(of: $1) }
    }
  }

  private func linearWeightCount(of block: Block) -> Int {
    block.operations.filter { $0.kind == .linear }.reduce(0) { sum, operation in
      guard let dimensions = parameterDimensions(operation.inputs[1], in: block) else { return sum }
      return sum + sizes.shape(of: dimensions).reduce(1, *)
    }
  }

  /// The dimensions of parameter `name` as `block` sees it: its own or a borrowed one.
  package func parameterDimensions(_ name: String, in block: Block) -> [Dimension]? {
    if let own = block.parameters.first(where: { $0.name == name }) { return own.dimensions }
    guard block.borrowed.contains(name) else { return nil }
    return parameter(borrowedAs: name)?.dimensions
  }

  /// The parameter that `reference`, written `block/parameter`, names.
  package func parameter(borrowedAs reference: String) -> Parameter? {
    let parts = reference.split(separator: "/", maxSplits: 1).map(String.init)
    guard parts.count == 2 else { return nil }
    return segments.flatMap(\.blocks).first { $0.name == parts[0] }?
      .parameters.first { $0.name == parts[1] }
  }
}
