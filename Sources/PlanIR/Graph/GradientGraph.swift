/// A block's forward graph with its derivative: operations that pass the gradient of the stream
/// back, and operations that give the gradients of its parameters.
///
/// The two are apart from the start, so that a schedule may delay the second (zero bubble).
package struct GradientGraph: Hashable, Sendable {
  /// The forward operations, and the values of all three lists.
  package var graph: BlockGraph
  package var inputGradient: [GraphOperation]
  package var weightGradient: [GraphOperation]
  /// The gradient value of each value that has one.
  package var gradients: [ValueID: ValueID]

  /// Differentiates `forward`.
  package init(of forward: BlockGraph) {
    var builder = GradientBuilder(forward)
    builder.differentiate()
    graph = builder.graph
    inputGradient = builder.inputGradient
    weightGradient = builder.weightGradient
    gradients = builder.gradients
  }

  /// The operations of `phase`.
  package func operations(of phase: Phase) -> [GraphOperation] {
    switch phase {
    case .forward: graph.operations
    case .inputGradient: inputGradient
    case .weightGradient: weightGradient
    case .recompute, .reduceGradients, .optimize: []
    }
  }
}

/// The parts of a step that a call may be of.
package enum Phase: String, Hashable, Sendable, Codable, CaseIterable {
  case forward
  case inputGradient = "input-gradient"
  case weightGradient = "weight-gradient"
  case recompute
  case reduceGradients = "reduce-gradients"
  case optimize

  /// Whether it runs once a step, after all micro-batches.
  package var isOnceAStep: Bool {
    switch self {
    case .forward, .inputGradient, .weightGradient, .recompute: false
    case .reduceGradients, .optimize: true
    }
  }
}

/// Walks the forward operations backwards and adds each one's derivative. An operation that writes a
/// gradient written before adds to it.
private struct GradientBuilder {
  var graph: BlockGraph
  var inputGradient: [GraphOperation] = []
  var weightGradient: [GraphOperation] = []
  var gradients: [ValueID: ValueID] = [:]
  let forward: [GraphOperation]

  init(_ forward: BlockGraph) {
    graph = forward
    self.forward = forward.operations
  }

  mutating func differentiate() {
    if let output = graph.output { _ = gradient(of: output) }
    for operation in forward.reversed() { add(operation) }
  }

  /// The gradient value of `value`, made when first asked for.
  private mutating func gradient(of value: ValueID) -> ValueID {
    if let known = gradients[value] { return known }
    var copy = graph.values[value]
    copy.name = "d." + copy.name
    if copy.width == .weight { copy.width = .mainGradient }
    copy.origin = .gradient(of: value)
    graph.values.append(copy)
    gradients[value] = graph.values.count - 1
    return graph.values.count - 1
  }

  /// A value of the form of a gradient of `value`, apart from it.
  private mutating func apart(from value: ValueID, name: String = "d.") -> ValueID {
    var copy = graph.values[value]
    copy.name = name + copy.name
    copy.origin = .gradient(of: value)
    graph.values.append(copy)
    return graph.values.count - 1
  }

  private mutating func back(
    _ kind: OperationKind, _ inputs: [ValueID], _ targets: [ValueID], linear: LinearRole? = nil
  ) {
    var outputs = targets.map { gradient(of: $0) }
    // A value that is read twice has two gradients, which are added.
    var repeated: [GraphOperation] = []
    for index in targets.indices where targets[..<index].contains(targets[index]) {
      let own = apart(from: targets[index], name: "again.d.")
      repeated.append(GraphOperation(.pass, [own], [outputs[index]]))
      outputs[index] = own
    }
    inputGradient.append(GraphOperation(kind, inputs, outputs, linear: linear))
    inputGradient += repeated
  }

  private mutating func weight(
    _ kind: OperationKind, _ inputs: [ValueID], _ target: ValueID, linear: LinearRole? = nil
  ) {
    weightGradient.append(GraphOperation(kind, inputs, [gradient(of: target)], linear: linear))
  }

  private func isParameter(_ value: ValueID) -> Bool {
    if case .parameter = graph.values[value].origin { true } else { false }
  }

  private mutating func add(_ operation: GraphOperation) {
    let inputs = operation.inputs
    if operation.kind == .probabilities {
      return back(.logitsGradient, [operation.outputs[0], label], [inputs[0]])
    }
    if operation.kind == .cotangentLoss {
      return back(.cotangentGradient, [inputs[1]], [inputs[0]])
    }
    guard let output = operation.outputs.first, let dy = gradients[output] else { return }
    switch operation.kind {
    case .matmul:
      back(.matmul, [dy, inputs[1]], [inputs[0]], linear: operation.linear)
      weight(.matmul, [inputs[0], dy], inputs[1], linear: operation.linear)
    case .embedding:
      weight(.embeddingGradient, [inputs[0], dy], inputs[1], linear: operation.linear)
    case .add:
      back(.pass, [dy], [inputs[0]])
      isParameter(inputs[1])
        ? weight(.sumRows, [dy], inputs[1]) : back(.pass, [dy], [inputs[1]])
    case .normApply(let kind, let epsilon):
      addNorm(inputs, dy, kind, epsilon)
    default:
      addElementwise(operation, dy)
      addAttention(operation, dy)
    }
  }

  private var label: ValueID {
    graph.values.firstIndex { $0.origin == .labels } ?? 0
  }

  private mutating func addNorm(
    _ inputs: [ValueID], _ dy: ValueID, _ kind: NormKind, _ epsilon: Double
  ) {
    let (x, sums, gain) = (inputs[0], inputs[1], inputs[2])
    let gradientSums = apart(from: sums)
    inputGradient.append(
      GraphOperation(
        .normGradientStatistics(kind, epsilon: epsilon), [dy, x, sums, gain], [gradientSums]))
    back(.normGradientInput(kind, epsilon: epsilon), [dy, x, sums, gradientSums, gain], [x])
    weight(.normGradientGain(kind, epsilon: epsilon), [dy, x, sums], gain)
    if inputs.count > 3 { weight(.sumRows, [dy], inputs[3]) }
  }

  private mutating func addElementwise(_ operation: GraphOperation, _ dy: ValueID) {
    let inputs = operation.inputs
    switch operation.kind {
    case .activation(let kind):
      back(.activationGradient(kind), [dy, inputs[0]], [inputs[0]])
    case .gatedActivation(let kind):
      back(.gatedActivationGradient(kind), [dy] + inputs, inputs)
    case .rotary(let settings):
      back(.rotaryGradient(settings), [dy], [inputs[0]])
    case .dropout:
      back(.dropoutGradient, [dy, operation.outputs[1]], [inputs[0]])
    case .softmax:
      back(.softmaxGradient, [dy, operation.outputs[0]], [inputs[0]])
    default:
      break
    }
  }

  private mutating func addAttention(_ operation: GraphOperation, _ dy: ValueID) {
    let inputs = operation.inputs
    switch operation.kind {
    case .attention(let settings):
      back(.attentionGradient(settings), [dy] + inputs + operation.outputs, inputs)
    case .attentionContext(let settings):
      back(.attentionContextGradientProbabilities(settings), [dy, inputs[1]], [inputs[0]])
      back(.attentionContextGradientValue(settings), [inputs[0], dy], [inputs[1]])
    case .attentionScores(let settings):
      back(.attentionScoresGradientQuery(settings), [dy, inputs[1]], [inputs[0]])
      back(.attentionScoresGradientKey(settings), [dy, inputs[0]], [inputs[1]])
    default:
      break
    }
  }
}
