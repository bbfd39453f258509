/// The place of a value in its graph.
package typealias ValueID = Int

/// A value of a block's graph: named dimensions, element width, and where it comes from.
package struct GraphValue: Hashable, Sendable {
  package var name: String
  package var dimensions: [Dimension]
  package var width: ValueWidth
  package var origin: Origin

  package init(name: String, dimensions: [Dimension], width: ValueWidth, origin: Origin) {
    self.name = name
    self.dimensions = dimensions
    self.width = width
    self.origin = origin
  }

  /// Where a value comes from.
  package enum Origin: Hashable, Sendable {
    /// The residual stream, from the block before.
    case stream
    /// A parameter; the place in the graph's list.
    case parameter(Int)
    case tokens, labels
    /// The drawn cotangent of a model without a head.
    case cotangent
    /// An operation of the graph.
    case computed
    /// The gradient of another value.
    case gradient(of: ValueID)
  }
}

/// A primitive operation over values of a graph.
package struct GraphOperation: Hashable, Sendable {
  package var kind: OperationKind
  package var inputs: [ValueID]
  package var outputs: [ValueID]
  /// For matmuls and embeddings, forward and backward: the linear whose factor assignment holds.
  package var linear: LinearRole?

  package init(
    _ kind: OperationKind, _ inputs: [ValueID], _ outputs: [ValueID], linear: LinearRole? = nil
  ) {
    self.kind = kind
    self.inputs = inputs
    self.outputs = outputs
    self.linear = linear
  }
}

/// The states a value of the chain can be in; a layout gives each its storage.
package enum ValueState: String, Hashable, Sendable, CaseIterable {
  /// Carries `hidden`: the residual stream and what norms make of it.
  case stream
  /// Carries `heads`: queries and contexts.
  case heads
  /// Carries `key_value_heads`: keys and values.
  case keyValue
  /// Carries `ffn`.
  case wide
  /// Carries `vocabulary`.
  case logits

  /// Its place among all.
  package var place: Int {
    switch self {
    case .stream: 0
    case .heads: 1
    case .keyValue: 2
    case .wide: 3
    case .logits: 4
    }
  }
}

/// Which linear of a transformer a product is, by the states it leads from and to. An embedding
/// leads from logits (one-hot rows) to the stream.
package struct LinearRole: Hashable, Sendable {
  package var from: ValueState
  package var to: ValueState

  package init(from: ValueState, to: ValueState) {
    self.from = from
    self.to = to
  }
}

/// A parameter as a block's graph reads it.
package struct GraphParameter: Hashable, Sendable {
  /// The name within the model: `block/parameter`, of the block that owns it.
  package var name: String
  package var parameter: Parameter
  /// Whether the block owns it; a tied table is borrowed.
  package var isOwn: Bool
}

/// The primitive operations of one block class's forward pass, in order.
package struct BlockGraph: Hashable, Sendable {
  package var name: String
  package var blockClass: BlockClass
  package var values: [GraphValue]
  package var parameters: [GraphParameter]
  package var operations: [GraphOperation]
  /// The stream that enters, or nil where the block begins the chain.
  package var input: ValueID?
  /// The stream that leaves, or nil where the block ends in the loss.
  package var output: ValueID?
  /// The loss, of the block that ends the chain.
  package var loss: ValueID?
  /// The logits, of a head.
  package var logits: ValueID?
  /// Sizes of all dimensions but batch, unpadded.
  package var sizes: DimensionSizes
  /// Shardings that the model's author wrote on values: for each dimension names of axes.
  package var shardings: [ValueID: [[String]]] = [:]
}

extension BlockGraph {
  /// The state of `value`, by the dimensions it carries; row statistics follow the value they came
  /// from, found through `operations`.
  package func state(of value: ValueID) -> ValueState {
    if let state = Self.state(of: values[value].dimensions) { return state }
    if case .gradient(let primal) = values[value].origin { return state(of: primal) }
    guard let maker = operations.first(where: { $0.outputs.contains(value) }) else {
      return .stream
    }
    return maker.inputs.first.map { state(of: $0) } ?? .stream
  }

  /// The state that carries `dimensions`; nil where they say nothing of columns.
  package static func state(of dimensions: [Dimension]) -> ValueState? {
    if dimensions.contains(.heads) { return .heads }
    if dimensions.contains(.keyValueHeads) { return .keyValue }
    if dimensions.contains(.wide) { return .wide }
    if dimensions.contains(.vocabulary) { return .logits }
    return dimensions.contains(.hidden) ? .stream : nil
  }
}

extension BlockGraph {
  /// Whether all that is computed from `value` goes into attention.
  package func feedsAttentionAlone(_ value: ValueID) -> Bool {
    operations.allSatisfy { operation in
      guard operation.inputs.contains(value) else { return true }
      switch operation.kind {
      case .attention, .attentionScores, .attentionContext: return true
      default: return operation.linear == nil && operation.outputs.allSatisfy(feedsAttentionAlone)
      }
    }
  }
}
