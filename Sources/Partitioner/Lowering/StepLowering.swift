import PlanIR

/// Lowers what happens once a step: the reduction of gradients over copies, and the update.
struct StepLowering {
  let context: LoweringContext

  /// For each parameter that a block owns and whose gradient is partial, one all-reduce over all
  /// axes that hold copies jointly; for the block that ends the chain the loss too.
  func reduceGradients(
    of graph: BlockGraph, parameters: [StoredParameter]
  ) throws(ConstraintViolation) -> Body? {
    var builder = BodyBuilder(phase: .reduceGradients)
    for parameter in parameters {
      let isShared = context.isOnBothEnds(parameter.name)
      guard !parameter.unreduced.isEmpty || isShared else { continue }
      let buffer = builder.addBuffer(stored(.mainGradient, parameter))
      if !parameter.unreduced.isEmpty {
        builder.emit(.allReduce(.sum), over: parameter.unreduced, from: buffer, into: buffer)
      }
      guard isShared, let stages = context.mesh.pipeline else { continue }
      builder.emit(.allReduceEnds(.sum), over: [stages], from: buffer, into: buffer)
    }
    if let loss = graph.loss { try reduceLoss(loss, graph, &builder) }
    return builder.instructions.isEmpty ? nil : body(graph, builder)
  }

  private func reduceLoss(
    _ loss: ValueID, _ graph: BlockGraph, _ builder: inout BodyBuilder
  ) throws(ConstraintViolation) {
    guard let maker = graph.operations.first(where: { $0.outputs.contains(loss) }) else { return }
    let axes = context.assignment(of: maker, in: graph)
    let sharding = context.computedSharding(of: loss, maker, axes, in: graph)
    guard !sharding.unreduced.isEmpty else { return }
    let type = try context.type(graph.values[loss], sharding)
    let buffer = builder.addBuffer(
      Buffer(name: "loss", type: type, bufferClass: .saved, stored: .loss))
    builder.emit(.allReduce(.sum), over: sharding.unreduced, from: buffer, into: buffer)
  }

  /// The update of each parameter in place; then its gradient is zero for the next step.
  func optimize(_ graph: BlockGraph, parameters: [StoredParameter]) -> Body? {
    var builder = BodyBuilder(phase: .optimize)
    for parameter in parameters {
      let gradient = builder.addBuffer(stored(.mainGradient, parameter))
      let updated = parameter.parts.filter { $0 != .mainGradient }
        .map { builder.addBuffer(stored($0, parameter)) }
      builder.emit(
        KernelCall(
          .update(context.workload.optimizer), reads: [gradient], writes: updated,
          accumulate: true))
      builder.emit(KernelCall(.zero, reads: [], writes: [gradient]))
    }
    return builder.instructions.isEmpty ? nil : body(graph, builder)
  }

  private func body(_ graph: BlockGraph, _ builder: BodyBuilder) -> Body {
    Body(
      name: "\(graph.name).\(builder.phase.rawValue)", blockClass: graph.blockClass,
      phase: builder.phase, buffers: builder.buffers, instructions: builder.instructions)
  }

  private func stored(_ part: ParameterPart, _ parameter: StoredParameter) -> Buffer {
    var type = parameter.type
    type.width = part.width
    if part == .mainGradient {
      type.sharding = type.sharding.with(unreduced: parameter.unreduced)
    }
    return Buffer(
      name: parameter.name, type: type, bufferClass: part.bufferClass,
      stored: .parameter(part, parameter.name))
  }
}
