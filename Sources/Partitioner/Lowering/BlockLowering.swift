import PlanIR

/// Lowers one block class: the bodies of its forward, input-gradient and weight-gradient phases.
///
/// Every operation is lowered alike, whatever the layout: bring each operand from where it is stored
/// to where the operation computes, compute, bring each result to where it is stored. A collective
/// is whatever the difference needs. Values that several operations add to are added while still
/// partial and reduced once; a form of a value that is at hand is not made again.
struct BlockLowering {
  let context: LoweringContext
  let gradients: GradientGraph
  let liveValues: LiveValues
  /// Where each value is stored.
  private let stored: [Sharding]
  /// The bodies of earlier phases, and that of the current one.
  var earlier: [BodyBuilder] = []
  var current = BodyBuilder(phase: .forward)
  /// Sums that wait for more contributions.
  var pending: [ValueID: BodyBuilder.Form] = [:]
  /// Whether an input, or a weight, was handed on as it was gathered.
  var keepsGatheredInputs = false
  var keepsGatheredWeights = false
  /// The place of the operation being lowered, over all phases.
  var position = 0

  var graph: BlockGraph { gradients.graph }
  static let phases: [Phase] = [.forward, .inputGradient, .weightGradient]

  init(_ gradients: GradientGraph, context: LoweringContext) {
    self.gradients = gradients
    self.context = context
    liveValues = LiveValues(gradients)
    let graph = gradients.graph
    stored = graph.values.indices.map { context.storage(of: $0, in: graph) }
  }

  /// Where `value` is stored between operations.
  func storage(of value: ValueID) -> Sharding { stored[value] }

  /// The bodies in the order of ``phases``, with allocation.
  mutating func bodies() throws(ConstraintViolation) -> [Body] {
    for phase in Self.phases { try lower(phase) }
    return (earlier + [current]).map { builder in
      Liveness.body(
        Body(
          name: "\(gradients.graph.name).\(builder.phase.rawValue)",
          blockClass: gradients.graph.blockClass, phase: builder.phase, buffers: builder.buffers,
          takes: builder.takes, gives: builder.gives, instructions: builder.instructions))
    }
  }

  private mutating func lower(_ phase: Phase) throws(ConstraintViolation) {
    if phase != Self.phases.first { earlier.append(current) }
    current = BodyBuilder(phase: phase)
    try begin(phase)
    let operations = gradients.operations(of: phase)
    let products = try PanelProducts(operations, phase, startingAt: position, in: self)
    for operation in operations {
      if let product = products.beginning(at: position) {
        try lower(product)
      } else if !products.contains(position) {
        try lower(operation)
      }
      position += 1
    }
    try end(phase)
  }

  /// Takes the stream or its gradient.
  private mutating func begin(_ phase: Phase) throws(ConstraintViolation) {
    switch phase {
    case .forward: try take(.stream, graph.input)
    case .inputGradient: try take(.gradient, graph.output.flatMap { gradients.gradients[$0] })
    default: break
    }
  }

  private mutating func take(_ slot: Slot, _ value: ValueID?) throws(ConstraintViolation) {
    guard let value else { return }
    let sharding = storage(of: value)
    let type = try context.type(graph.values[value], sharding)
    let buffer = current.take(
      slot, Buffer(name: graph.values[value].name, type: type, bufferClass: .transient))
    current.record(value, sharding, buffer)
  }

  /// Gives the stream or its gradient.
  private mutating func end(_ phase: Phase) throws(ConstraintViolation) {
    switch phase {
    case .forward: try give(.stream, graph.output)
    case .inputGradient: try give(.gradient, graph.input.flatMap { gradients.gradients[$0] })
    default: break
    }
  }

  private mutating func give(_ slot: Slot, _ value: ValueID?) throws(ConstraintViolation) {
    guard let value else { return }
    var buffer = try obtain(value, storage(of: value))
    let isShared = isNeeded(buffer, after: position - 1, except: value)
    if isShared || liveValues.isRead(value, after: position - 1) {
      let copy = current.addTransient(graph.values[value].name, current.buffers[buffer].type)
      current.emit(KernelCall(.copy, reads: [buffer], writes: [copy]))
      buffer = copy
    }
    current.give(slot, buffer)
  }

  // MARK: - Operations

  private mutating func lower(_ operation: GraphOperation) throws(ConstraintViolation) {
    if operation.kind == .pass {
      return try pass(operation.inputs[0], to: operation.outputs[0])
    }
    let axes = context.assignment(of: operation, in: graph)
    var reads: [BufferID] = []
    for input in operation.inputs {
      let partial = context.operandPartial(input, of: operation, axes, in: graph)
      let wanted = axes.sharding(of: graph.values[input].dimensions).with(unreduced: partial)
      reads.append(try obtain(input, wanted))
    }
    if try loweredAsRing(operation, reads, axes) { return }
    if operation.outputs.first == graph.loss { return try addLoss(operation, reads, axes) }
    if try accumulated(operation, reads, axes) { return }
    preferDyingOperand(operation, &reads)
    var writes: [BufferID] = []
    for output in operation.outputs {
      let sharding = computedSharding(of: output, operation, axes)
      writes.append(try destination(of: output, operation, sharding, reads))
    }
    current.emit(call(operation, reads, writes))
    for (output, buffer) in zip(operation.outputs, writes) {
      try contribute(output, buffer, reduction: operation.kind.reduction)
    }
  }

  /// Adds the micro-batch's share to the loss of the step, which stays partial until its end.
  private mutating func addLoss(
    _ operation: GraphOperation, _ reads: [BufferID], _ axes: DimensionAxes
  ) throws(ConstraintViolation) {
    let loss = operation.outputs[0]
    let sharding = computedSharding(of: loss, operation, axes)
    let buffer = current.addBuffer(
      Buffer(
        name: "loss", type: try context.type(graph.values[loss], sharding), bufferClass: .saved,
        stored: .loss))
    current.emit(call(operation, reads, [buffer], accumulate: true))
  }

  /// Puts first the operand of a sum that may be overwritten.
  private func preferDyingOperand(_ operation: GraphOperation, _ reads: inout [BufferID]) {
    guard operation.kind == .add,
      current.buffers[reads[0]].type.localSizes == current.buffers[reads[1]].type.localSizes,
      isNeeded(reads[0], after: position, except: nil),
      !isNeeded(reads[1], after: position, except: nil)
    else { return }
    reads.swapAt(0, 1)
  }

  func call(
    _ operation: GraphOperation, _ reads: [BufferID], _ writes: [BufferID],
    accumulate: Bool = false, panel: Panel? = nil
  ) -> KernelCall {
    KernelCall(
      .operation(operation.kind), reads: reads, writes: writes, accumulate: accumulate,
      site: site(operation), panel: panel)
  }

  /// The value whose name random draws go by: backward, that of the forward result.
  private func site(_ operation: GraphOperation) -> String {
    if case .attentionGradient = operation.kind { return graph.values[operation.inputs[4]].name }
    return operation.outputs.first.map { graph.values[$0].name } ?? ""
  }

  /// The sharding in which `operation` computes `output`: split as its factors are, partial over
  /// the axes that split what it contracts and over those its operands are partial over.
  func computedSharding(
    of output: ValueID, _ operation: GraphOperation, _ axes: DimensionAxes
  ) -> Sharding {
    context.computedSharding(of: output, operation, axes, in: graph)
  }

  /// A new buffer for `output`, or that of the first operand where the operation may overwrite it.
  private mutating func destination(
    of output: ValueID, _ operation: GraphOperation, _ sharding: Sharding, _ reads: [BufferID]
  ) throws(ConstraintViolation) -> BufferID {
    let type = try context.type(graph.values[output], sharding)
    if operation.kind.worksInPlace, output == operation.outputs.first, let first = reads.first,
      current.buffers[first].type.localSizes == type.localSizes,
      current.buffers[first].type.width == type.width,
      !isNeeded(first, after: position, except: nil), pending[output] == nil
    {
      return first
    }
    return current.addTransient(graph.values[output].name, type)
  }

  /// Whether a value held in `buffer` is read after operation `position`, waits to be added to, is
  /// stored, or leaves.
  func isNeeded(_ buffer: BufferID, after position: Int, except value: ValueID?) -> Bool {
    if current.buffers[buffer].stored != nil { return true }
    if pending.contains(where: { $0.key != value && $0.value.buffer == buffer }) { return true }
    return current.sharers(of: buffer).contains {
      $0 != value && (liveValues.isRead($0, after: position) || liveValues.leaves($0))
    }
  }
}
