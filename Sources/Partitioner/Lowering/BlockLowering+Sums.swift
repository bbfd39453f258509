import PlanIR

extension BlockLowering {
  /// Adds `buffer` to what makes up `value`; when nothing more will come, brings the sum to where
  /// the value is stored.
  mutating func contribute(
    _ value: ValueID, _ buffer: BufferID, reduction: Reduction = .sum
  ) throws(ConstraintViolation) {
    if isParameterGradient(value) { return try accumulate(buffer, intoGradient: value) }
    var addend = BodyBuilder.Form(
      sharding: current.buffers[buffer].type.sharding, buffer: buffer)
    if var sum = pending[value] {
      if sum.sharding != addend.sharding {
        sum = stored(sum, of: value)
        addend = stored(addend, of: value)
      }
      let target = try exclusive(sum, of: value)
      current.emit(
        KernelCall(.copy, reads: [addend.buffer], writes: [target.buffer], accumulate: true))
      pending[value] = target
    } else {
      pending[value] = addend
    }
    try finish(value, reduction)
  }

  /// `form` brought to where `value` is stored: sums of unequal sharding are added there.
  private mutating func stored(
    _ form: BodyBuilder.Form, of value: ValueID
  ) -> BodyBuilder.Form {
    let sharding = storage(of: value)
    return BodyBuilder.Form(
      sharding: sharding, buffer: current.reshard(form.buffer, to: sharding))
  }

  /// Hands a gradient on unchanged: the value shares its buffer until something is added.
  mutating func pass(_ source: ValueID, to value: ValueID) throws(ConstraintViolation) {
    let buffer = try obtain(source, storage(of: source))
    try contribute(value, buffer)
  }

  /// Lets `operation` add to a sum that exists, where its kernel can; true if it did.
  mutating func accumulated(
    _ operation: GraphOperation, _ reads: [BufferID], _ axes: DimensionAxes
  ) throws(ConstraintViolation) -> Bool {
    guard operation.outputs.count == 1, let value = operation.outputs.first,
      operation.kind.accumulates
    else { return false }
    let sharding = computedSharding(of: value, operation, axes)
    if let sum = try borrowedSum(of: value) {
      current.emit(call(operation, reads, [sum], accumulate: true))
      try accumulate(sum, intoGradient: value)
      return true
    }
    if isParameterGradient(value) {
      guard let target = try mainGradient(of: value, matching: sharding) else { return false }
      current.emit(call(operation, reads, [target], accumulate: true))
      return true
    }
    guard let sum = pending[value], sum.sharding == sharding else { return false }
    let target = try exclusive(sum, of: value)
    current.emit(call(operation, reads, [target.buffer], accumulate: true))
    pending[value] = target
    try finish(value, .sum)
    return true
  }

  /// The sum in a buffer that nothing else will read: its own, or a copy.
  private mutating func exclusive(
    _ sum: BodyBuilder.Form, of value: ValueID
  ) throws(ConstraintViolation) -> BodyBuilder.Form {
    guard isNeeded(sum.buffer, after: position, except: value) else { return sum }
    let type = try context.type(graph.values[value], sum.sharding)
    let copy = current.addTransient(graph.values[value].name, type)
    current.emit(KernelCall(.copy, reads: [sum.buffer], writes: [copy]))
    return BodyBuilder.Form(sharding: sum.sharding, buffer: copy)
  }

  /// Reduces a sum to its storage once its last contribution is in.
  private mutating func finish(
    _ value: ValueID, _ reduction: Reduction
  ) throws(ConstraintViolation) {
    guard let sum = pending[value], !liveValues.isWritten(value, after: position) else { return }
    pending[value] = nil
    let stored = storage(of: value)
    _ = try context.type(graph.values[value], stored)
    let buffer = current.reshard(sum.buffer, to: stored, reduction: reduction)
    current.record(value, stored, buffer)
  }

  // MARK: - Gradients of parameters

  private func parameterName(ofGradient value: ValueID) -> String? {
    guard case .gradient(let primal) = graph.values[value].origin,
      case .parameter(let index) = graph.values[primal].origin
    else { return nil }
    return graph.parameters[index].name
  }

  private func isOwn(_ name: String) -> Bool {
    graph.parameters.contains { $0.name == name && $0.isOwn }
  }

  /// What the block that borrows this block's parameter computed of its gradient, to be added to
  /// before it is scattered; nil where nothing waits, or it was taken.
  private mutating func borrowedSum(of value: ValueID) throws(ConstraintViolation) -> BufferID? {
    guard let name = parameterName(ofGradient: value), isOwn(name),
      let sharding = context.parameters[name]?.addedAs,
      !current.takes.contains(where: { $0.slot == .borrowed(name) })
    else { return nil }
    let type = try context.type(graph.values[value], sharding)
    return current.take(
      .borrowed(name),
      Buffer(name: graph.values[value].name, type: type, bufferClass: .transient))
  }

  func isParameterGradient(_ value: ValueID) -> Bool { parameterName(ofGradient: value) != nil }

  /// The main gradient, where a gradient computed under `sharding` may be added to it as it is.
  private mutating func mainGradient(
    of value: ValueID, matching sharding: Sharding
  ) throws(ConstraintViolation) -> BufferID? {
    guard let name = parameterName(ofGradient: value), let placement = context.parameters[name]
    else { return nil }
    guard sharding == placement.gradient else { return nil }
    return try mainGradient(of: value, name, sharding)
  }

  private mutating func mainGradient(
    of value: ValueID, _ name: String, _ sharding: Sharding
  ) throws(ConstraintViolation) -> BufferID {
    if let buffer = current.form(of: value, sharding) { return buffer }
    let buffer = current.addBuffer(
      Buffer(
        name: graph.values[value].name, type: try context.type(graph.values[value], sharding),
        bufferClass: .mainGradient, stored: .parameter(.mainGradient, name)))
    current.record(value, sharding, buffer)
    return buffer
  }

  /// Scatters a weight's gradient at once to where the main gradient is, and adds it there; copies
  /// wait for the step's end.
  private mutating func accumulate(
    _ buffer: BufferID, intoGradient value: ValueID
  ) throws(ConstraintViolation) {
    guard let name = parameterName(ofGradient: value), let placement = context.parameters[name]
    else { return }
    if placement.addedAs != nil && !isOwn(name) { return current.give(.borrowed(name), buffer) }
    if let sum = try borrowedSum(of: value) {
      current.emit(KernelCall(.copy, reads: [sum], writes: [buffer], accumulate: true))
    }
    let sharding = placement.gradient
    let addend = current.reshard(buffer, to: sharding)
    let target = try mainGradient(of: value, name, sharding)
    current.emit(KernelCall(.copy, reads: [addend], writes: [target], accumulate: true))
  }
}

extension OperationKind {
  /// Whether the kernel can add its result to what is there.
  var accumulates: Bool {
    switch self {
    case .matmul, .embeddingGradient, .sumRows, .normGradientInput, .normGradientGain: true
    default: false
    }
  }
}
