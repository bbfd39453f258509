extension GraphBuilder {
  /// Adds the primitives of `operation`.
  mutating func add(_ operation: ModelOperation) throws(ModelError) {
    let inputs = try resolve(operation)
    switch operation.kind {
    case .embedding:
      try addEmbedding(operation, inputs)
    case .positionEmbedding:
      try require(operation, dimensions(inputs[1]) == [.sequence, .hidden], "[positions, hidden]")
      addSimple(.add, operation, inputs)
    case .linear:
      try addLinear(operation, inputs)
    case .add:
      try require(operation, dimensions(inputs[0]) == dimensions(inputs[1]), "equal dimensions")
      addSimple(.add, operation, inputs)
    case .norm(let kind, let epsilon):
      try addNorm(operation, inputs, kind, epsilon)
    case .activation(let kind):
      addSimple(.activation(kind), operation, inputs)
    case .gatedActivation(let kind):
      try require(operation, dimensions(inputs[0]) == dimensions(inputs[1]), "equal dimensions")
      addSimple(.gatedActivation(kind), operation, inputs)
    case .rotary(let settings):
      addSimple(.rotary(settings), operation, inputs)
    case .attention(let settings):
      try addAttention(operation, inputs, settings)
    case .dropout:
      addDropout(inputs[0], output: operation.output)
    case .crossEntropy:
      try addCrossEntropy(operation, inputs)
    }
  }

  private func resolve(_ operation: ModelOperation) throws(ModelError) -> [ValueID] {
    let counts = operation.kind.operandCounts
    try require(
      operation, counts.contains(operation.inputs.count),
      "\(counts.lowerBound) to \(counts.upperBound) inputs")
    try require(operation, names[operation.output] == nil, "an output of a new name")
    var values: [ValueID] = []
    for name in operation.inputs {
      guard let value = names[name] else {
        throw ModelError(
          place: place(operation), expected: "a value, parameter or `input` defined before",
          found: "`\(name)`")
      }
      values.append(value)
    }
    return values
  }

  private func place(_ operation: ModelOperation) -> String {
    "block \(block.name), operation `\(operation.output)`"
  }

  func require(
    _ operation: ModelOperation, _ condition: Bool, _ expected: String
  ) throws(ModelError) {
    guard !condition else { return }
    let found = operation.inputs.map { name in
      let dimensions = names[name].map { self.dimensions($0) } ?? []
      return "\(name) [\(dimensions.map(\.rawValue).joined(separator: ", "))]"
    }
    throw ModelError(
      place: place(operation), expected: expected, found: found.joined(separator: ", "))
  }

  /// A primitive whose one result is like its first operand.
  private mutating func addSimple(
    _ kind: OperationKind, _ operation: ModelOperation, _ inputs: [ValueID]
  ) {
    let output = add(operation.output, dimensions(inputs[0]), .activation)
    emit(kind, inputs, [output])
  }

  private mutating func addEmbedding(
    _ operation: ModelOperation, _ inputs: [ValueID]
  ) throws(ModelError) {
    try require(
      operation, dimensions(inputs[0]) == [.vocabulary, .hidden], "a table [vocabulary, hidden]")
    let tokens = names["tokens"] ?? add("tokens", Self.rows, .index, .tokens)
    let output = add(operation.output, Self.stream, .activation)
    emit(
      .embedding, [tokens, inputs[0]], [output], linear: LinearRole(from: .logits, to: .stream))
  }

  private mutating func addLinear(
    _ operation: ModelOperation, _ inputs: [ValueID]
  ) throws(ModelError) {
    let x = dimensions(inputs[0])
    let weight = dimensions(inputs[1])
    let contracted = x.filter { weight.contains($0) }
    let outer = weight.filter { !x.contains($0) }
    try require(
      operation,
      !contracted.isEmpty && !outer.isEmpty && x.suffix(contracted.count) == contracted[...]
        && (weight == contracted + outer || weight == outer + contracted),
      "a weight whose first or last dimensions are the input's last")
    let result = x.dropLast(contracted.count) + outer
    guard let from = BlockGraph.state(of: x), let to = BlockGraph.state(of: Array(result)) else {
      return try require(operation, false, "inputs and results that carry features")
    }
    let role = LinearRole(from: from, to: to)
    let bias = inputs.count > 2
    let product = add(
      bias ? operation.output + ".product" : operation.output, Array(result), .activation)
    emit(.matmul, [inputs[0], inputs[1]], [product], linear: role)
    guard bias else { return }
    try require(operation, dimensions(inputs[2]) == outer, "a bias of the weight's out-dimensions")
    let output = add(operation.output, Array(result), .activation)
    emit(.add, [product, inputs[2]], [output])
  }

  private mutating func addNorm(
    _ operation: ModelOperation, _ inputs: [ValueID], _ kind: NormKind, _ epsilon: Double
  ) throws(ModelError) {
    let x = dimensions(inputs[0])
    try require(
      operation, inputs.dropFirst().allSatisfy { dimensions($0) == x.suffix(1) },
      "a gain and bias of the input's last dimension")
    try require(operation, kind == .layer || inputs.count == 2, "no bias of an RMSNorm")
    let kept: Dimension = kind == .layer ? .statisticPair : .statistic
    let statistics = add(operation.output + ".statistics", [kept] + x.dropLast(), .statistic)
    emit(.normStatistics(kind), [inputs[0]], [statistics])
    let output = add(operation.output, x, .activation)
    emit(
      .normApply(kind, epsilon: epsilon), [inputs[0], statistics] + inputs.dropFirst(), [output])
  }

  private mutating func addAttention(
    _ operation: ModelOperation, _ inputs: [ValueID], _ settings: AttentionSettings
  ) throws(ModelError) {
    let keys: [Dimension] = [.batch, .sequence, .keyValueHeads, .headWidth]
    try require(
      operation,
      dimensions(inputs[0]) == [.batch, .sequence, .heads, .headWidth]
        && dimensions(inputs[1]) == keys && dimensions(inputs[2]) == keys,
      "query [batch, sequence, heads, head_width], key and value with key_value_heads")
    let context = dimensions(inputs[0])
    let name = operation.output
    if workload.attention == .fused {
      let output = add(name, context, .activation)
      let sums = add(name + ".log_sum_exp", [.batch, .heads, .sequence], .statistic)
      return emit(.attention(settings), inputs, [output, sums])
    }
    let square: [Dimension] = [.batch, .heads, .sequence, .keySequence]
    let scores = add(name + ".scores", square, .activation)
    emit(.attentionScores(settings), [inputs[0], inputs[1]], [scores])
    var probabilities = add(name + ".probabilities", square, .activation)
    emit(.softmax, [scores], [probabilities])
    addDropout(probabilities, output: name + ".dropped")
    probabilities = names[name + ".dropped"] ?? probabilities
    let output = add(name, context, .activation)
    emit(.attentionContext(settings), [probabilities, inputs[2]], [output])
  }

  private mutating func addDropout(_ input: ValueID, output name: String) {
    guard workload.dropout > 0 else {
      names[name] = input
      return
    }
    let output = add(name, dimensions(input), .activation)
    let mask = add(name + ".mask", dimensions(input), .mask)
    emit(.dropout, [input], [output, mask])
  }

  private mutating func addCrossEntropy(
    _ operation: ModelOperation, _ inputs: [ValueID]
  ) throws(ModelError) {
    let logits = inputs[0]
    try require(operation, dimensions(logits) == Self.rows + [.vocabulary], "logits")
    let name = operation.output
    let labels = add("labels", Self.rows, .index, .labels)
    let maximum = add(name + ".maximum", Self.rows, .statistic)
    emit(.rowMaximum, [logits], [maximum])
    let sum = add(name + ".sum", Self.rows, .statistic)
    emit(.exponentialSum, [logits, maximum], [sum])
    let picked = add(name + ".picked", Self.rows, .statistic)
    emit(.pickLabel, [logits, labels], [picked])
    let probabilities = add(name + ".probabilities", dimensions(logits), .statistic)
    emit(.probabilities, [logits, maximum, sum], [probabilities])
    let loss = add(name, [], .statistic)
    emit(.tokenLoss, [maximum, sum, picked, labels], [loss])
    graph.logits = logits
  }
}

extension ModelOperation.Kind {
  /// How many inputs the operation takes.
  package var operandCounts: ClosedRange<Int> {
    switch self {
    case .embedding, .activation, .rotary, .dropout, .crossEntropy: 1...1
    case .positionEmbedding, .add, .gatedActivation: 2...2
    case .linear, .norm: 2...3
    case .attention: 3...3
    }
  }
}
