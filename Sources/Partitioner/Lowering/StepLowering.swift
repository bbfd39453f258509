import PlanIR

/// Lowers what happens once a step: the reduction of gradients over copies, and the update.
struct StepLowering {
  let context: LoweringContext

  /// For each parameter that a block owns and whose gradient is partial, one all-reduce over all
  /// axes that hold copies jointly; for the block that ends the chain the loss too. A gradient that is
  /// whole beside chunks of optimizer state (ZeRO 1) waits for the update of its parameter.
  func reduceGradients(
    of graph: BlockGraph, parameters: [StoredParameter]
  ) throws(ConstraintViolation) -> Body? {
    var builder = BodyBuilder(phase: .reduceGradients)
    for parameter in parameters where parameter.gradientChunks == parameter.stateChunks {
      guard !parameter.unreduced.isEmpty || context.isOnBothEnds(parameter.name) else { continue }
      let buffer = builder.addBuffer(stored(.mainGradient, parameter))
      addUp(buffer, over: parameter.unreduced, parameter, &builder)
    }
    if let loss = graph.loss { try reduceLoss(loss, graph, &builder) }
    return builder.instructions.isEmpty ? nil : body(graph, builder)
  }

  /// Adds up a gradient over `axes`, and where the first and the last stage both hold the parameter
  /// theirs.
  private func addUp(
    _ gradient: BufferID, over axes: [AxisReference], _ parameter: StoredParameter,
    _ builder: inout BodyBuilder
  ) {
    if !axes.isEmpty { builder.emit(.allReduce(.sum), over: axes, from: gradient, into: gradient) }
    guard context.isOnBothEnds(parameter.name), let stages = context.mesh.pipeline else { return }
    builder.emit(.allReduceEnds(.sum), over: [stages], from: gradient, into: gradient)
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

  /// The update of each parameter in place; then its gradient is zero for the next step. Where a
  /// device keeps a chunk of optimizer state beside the whole weight (ZeRO 1 and 2), it updates that
  /// chunk and the weight is gathered.
  func optimize(_ graph: BlockGraph, parameters: [StoredParameter]) -> Body? {
    var builder = BodyBuilder(phase: .optimize)
    for parameter in parameters {
      let gradient = builder.addBuffer(stored(.mainGradient, parameter))
      var updated = parameter.parts.filter { $0 != .mainGradient }
        .map { builder.addBuffer(stored($0, parameter)) }
      let weight = updated[0]
      let reduced = chunk(ofGradient: gradient, parameter, &builder)
      updated[0] = chunk(ofWeight: weight, parameter, &builder)
      builder.emit(
        KernelCall(
          .update(context.workload.optimizer), reads: [reduced], writes: updated,
          accumulate: true, site: parameter.name))
      if updated[0] != weight {
        builder.emit(
          .gatherChunks, over: parameter.stateChunks, from: updated[0], into: weight)
      }
      builder.emit(KernelCall(.zero, reads: [], writes: [gradient]))
    }
    return builder.instructions.isEmpty ? nil : body(graph, builder)
  }

  /// The sum of the chunk of a gradient that the device updates: scattered over the axes of chunks,
  /// then added up over the other axes that hold copies. A gradient stored in such chunks is itself.
  private func chunk(
    ofGradient gradient: BufferID, _ parameter: StoredParameter, _ builder: inout BodyBuilder
  ) -> BufferID {
    guard parameter.gradientChunks != parameter.stateChunks else { return gradient }
    let rest = parameter.unreduced.subtracting(parameter.stateChunks)
    let sharding = parameter.type(of: .mainGradient).sharding
    let chunk = builder.reshard(
      gradient, to: sharding.with(unreduced: rest).with(chunks: parameter.stateChunks))
    addUp(chunk, over: rest, parameter, &builder)
    return chunk
  }

  /// Where the device's chunk of a weight is updated: cut out of the weight, unless a master weight
  /// is updated and the chunk only written. A weight that is updated whole is itself.
  private func chunk(
    ofWeight weight: BufferID, _ parameter: StoredParameter, _ builder: inout BodyBuilder
  ) -> BufferID {
    guard !parameter.stateChunks.isEmpty else { return weight }
    var type = parameter.type(of: .weight)
    type.sharding = type.sharding.with(chunks: parameter.stateChunks)
    let chunk = builder.addTransient(parameter.name + ".chunk", type)
    if !parameter.parts.contains(.masterWeight) {
      builder.emit(KernelCall(.slice, reads: [weight], writes: [chunk]))
    }
    return chunk
  }

  private func body(_ graph: BlockGraph, _ builder: BodyBuilder) -> Body {
    Liveness.body(
      Body(
        name: "\(graph.name).\(builder.phase.rawValue)", blockClass: graph.blockClass,
        phase: builder.phase, buffers: builder.buffers, instructions: builder.instructions))
  }

  private func stored(_ part: ParameterPart, _ parameter: StoredParameter) -> Buffer {
    Buffer(
      name: parameter.name, type: parameter.type(of: part), bufferClass: part.bufferClass,
      stored: .parameter(part, parameter.name))
  }
}
