import PlanIR

/// Lowers what stands between two blocks whose layouts store the residual stream differently: it is
/// resharded forwards, and its gradient back.
struct JointLowering {
  let context: LoweringContext

  /// The bodies between `giver` and `taker`; nil where nothing moves.
  func bodies(
    from giver: BlockGraph, to taker: BlockGraph
  ) throws(ConstraintViolation) -> BlockBodies? {
    let given = giver.output.map { context.storage(of: $0, in: giver) }
    let taken = taker.input.map { context.storage(of: $0, in: taker) }
    guard let given, let taken else { return nil }
    return try bodies(
      from: given, to: taken, taker.blockClass, named: "\(giver.name)-to-\(taker.name)")
  }

  /// The bodies between blocks of two classes.
  func bodies(
    from giver: BlockClass, to taker: BlockClass
  ) throws(ConstraintViolation) -> BlockBodies? {
    try bodies(from: stream(giver), to: stream(taker), taker, named: "joint")
  }

  private func bodies(
    from given: Sharding, to taken: Sharding, _ taker: BlockClass, named name: String
  ) throws(ConstraintViolation) -> BlockBodies? {
    guard given != taken else { return nil }
    return BlockBodies(
      forward: try body(name, .forward, .stream, from: given, to: taken, taker),
      inputGradient: try body(name, .inputGradient, .gradient, from: taken, to: given, taker))
  }

  private static let dimensions: [Dimension] = [.batch, .sequence, .hidden]

  /// The sharding in which a block keeps the stream.
  private func stream(_ blockClass: BlockClass) -> Sharding {
    context.storage(of: .stream, in: blockClass).sharding(of: Self.dimensions)
  }

  private func body(
    _ name: String, _ phase: Phase, _ slot: Slot, from source: Sharding, to target: Sharding,
    _ taker: BlockClass
  ) throws(ConstraintViolation) -> Body {
    let value = GraphValue(
      name: phase == .forward ? "stream" : "d.stream", dimensions: Self.dimensions,
      width: .activation, origin: .stream)
    _ = try context.type(value, target)
    var builder = BodyBuilder(phase: phase)
    let taken = builder.take(
      slot,
      Buffer(
        name: value.name, type: try context.type(value, source), bufferClass: .transient))
    builder.give(slot, builder.reshard(taken, to: target))
    return Liveness.body(
      Body(
        name: "\(name).\(phase.rawValue)", blockClass: taker, phase: phase,
        buffers: builder.buffers, takes: builder.takes, gives: builder.gives,
        instructions: builder.instructions))
  }
}
