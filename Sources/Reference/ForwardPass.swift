internal import PlanIR

/// Runs the chain of blocks on one batch, recording every operation on a tape.
struct ForwardPass {
  let model: Model
  let workload: Workload
  let seed: UInt64
  let input: ReferenceInput
  let product: MatrixProduct
  var tape = Tape()
  /// What went into the cross-entropy, [globalBatch, sequence, vocabulary].
  var logits: Tensor?
  /// The stream of a model without embedding.
  private var features: Tensor?

  init(
    model: Model, workload: Workload, seed: UInt64, input: ReferenceInput, product: MatrixProduct
  ) {
    self.model = model
    self.workload = workload
    self.seed = seed
    self.input = input
    self.product = product
  }

  /// The dimensions of the residual stream.
  static let stream: [Dimension] = [.batch, .sequence, .hidden]

  /// The shape of the residual stream.
  var streamShape: [Int] { [workload.globalBatch, workload.sequence, model.sizes[.hidden]] }

  /// The loss and all gradients with `parameters`.
  mutating func differentiate(_ parameters: ParameterSet) throws(ReferenceError) -> StepOutcome {
    let (result, loss) = try run(parameters)
    var gradients = tape.differentiate(result, seed: [1])
    let own = parameters.values.indices.map { place in
      gradients[place].take()
        ?? [Double](repeating: 0, count: parameters.values[place].count)
    }
    let inputGradient = features.map { features in
      gradients[features.slot].take() ?? [Double](repeating: 0, count: features.elements.count)
    }
    return StepOutcome(
      loss: loss, gradients: own, inputGradient: inputGradient, logits: logits?.elements)
  }

  /// The scalar that the chain ends in, and its value. Parameters take the tape's first slots.
  mutating func run(
    _ parameters: ParameterSet
  ) throws(ReferenceError) -> (result: Tensor, loss: Double) {
    let leaves = parameters.values.indices.map { place in
      tape.leaf(parameters.dimensions[place], parameters.shapes[place], parameters.values[place])
    }
    features = input.features.flatMap { elements in
      model.has(.embedding) ? nil : tape.leaf(Self.stream, streamShape, elements)
    }
    var stream = features
    for segment in model.segments {
      for repetition in 0..<segment.count {
        for block in segment.blocks {
          let scope = BlockScope(
            model: model, segment: segment, block: block, repetition: repetition)
          stream = try run(scope, stream, parameters, leaves)
        }
      }
    }
    let result = try close(stream)
    return (result, result.elements[0])
  }

  private mutating func run(
    _ scope: BlockScope, _ stream: Tensor?, _ parameters: ParameterSet, _ leaves: [Tensor]
  ) throws(ReferenceError) -> Tensor {
    var names: [String: Tensor] = [:]
    for (name, instance) in try scope.parameterNames() {
      guard let place = parameters.place(of: instance) else {
        throw ReferenceError(
          place: "block \(scope.block.name)", expected: "a parameter of the model",
          found: "`\(instance)`")
      }
      names[name] = leaves[place]
    }
    names[Block.streamInput] = scope.block.blockClass == .embedding ? nil : stream
    for operation in scope.block.operations {
      var operands: [Tensor] = []
      for name in operation.inputs {
        operands.append(try scope.value(name, in: names, of: operation))
      }
      names[operation.output] = try run(operation, operands, scope)
    }
    return try scope.value(scope.block.output, in: names, of: nil)
  }

  /// The chain's loss: the last block's, or the stream times the cotangent over the tokens.
  private mutating func close(_ stream: Tensor?) throws(ReferenceError) -> Tensor {
    if let stream, stream.dimensions.isEmpty { return stream }
    guard let stream, stream.dimensions == Self.stream, let cotangent = input.cotangent else {
      throw ReferenceError(
        place: "the chain's end", expected: "a loss, or the stream and a cotangent",
        found: "[\((stream?.dimensions ?? []).map(\.rawValue).joined(separator: ", "))]")
    }
    let weight = 1 / Double(workload.tokens)
    var sum = 0.0
    for index in cotangent.indices { sum += stream.elements[index] * cotangent[index] }
    return tape.record([], [], [sum * weight], from: [stream]) { gradient in
      [cotangent.map { $0 * weight * gradient[0] }]
    }
  }
}
