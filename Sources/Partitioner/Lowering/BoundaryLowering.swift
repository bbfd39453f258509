import PlanIR

/// Lowers the boundary between two pipeline stages: the stream is sent on, and its gradient back.
///
/// Where the stream is copied over axes of the tensor mesh, each device sends its chunk of it alone,
/// and the receivers gather the whole (Narayanan et al., Efficient Large-Scale Language Model
/// Training, 2021, section 4.1).
struct BoundaryLowering {
  let context: LoweringContext
  private let axis: AxisReference

  /// Nil without stages.
  init?(context: LoweringContext) {
    guard let axis = context.mesh.pipeline else { return nil }
    self.context = context
    self.axis = axis
  }

  /// The boundary before `taker`; nil where the chain ends.
  func boundary(before taker: BlockGraph?) throws(ConstraintViolation)
    -> ChainParts<BlockBodies>.Boundary?
  {
    guard let taker, let input = taker.input else { return nil }
    let stored = context.storage(of: input, in: taker)
    let whole = context.mesh.axes.flatMap { context.mesh.whole($0.name) }
    let copies = whole.subtracting(stored.axes + [axis])
    let ends = Ends(stored: stored, wire: stored.with(chunks: copies), taker: taker)
    return ChainParts.Boundary(
      departure: BlockBodies(
        forward: try send(.stream, shift: 1, ends),
        inputGradient: try receive(.gradient, shift: -1, ends),
        settle: try settle(.stream, shift: 1, ends)),
      arrival: BlockBodies(
        forward: try receive(.stream, shift: 1, ends),
        inputGradient: try send(.gradient, shift: -1, ends),
        settle: try settle(.gradient, shift: -1, ends)))
  }

  /// How the stream is stored on either side, and how it is split while it is sent.
  private struct Ends {
    let stored, wire: Sharding
    let taker: BlockGraph
  }

  private static let sent = Slot.kept("sent")

  private func buffer(
    _ slot: Slot, _ sharding: Sharding
  ) throws(ConstraintViolation) -> Buffer {
    let value = GraphValue(
      name: slot == .stream ? "stream" : "d.stream",
      dimensions: [.batch, .sequence, .hidden], width: .activation, origin: .stream)
    return Buffer(
      name: value.name, type: try context.type(value, sharding), bufferClass: .transient)
  }

  private func send(
    _ slot: Slot, shift: Int, _ ends: Ends
  ) throws(ConstraintViolation) -> Body {
    var builder = BodyBuilder(phase: slot == .stream ? .forward : .inputGradient)
    let taken = builder.take(slot, try buffer(slot, ends.stored))
    let wire = builder.reshard(taken, to: ends.wire)
    builder.emit(.send(wire, Message(slot, along: axis, shift: shift)))
    builder.give(Self.sent, wire)
    return body("send", builder, ends)
  }

  private func receive(
    _ slot: Slot, shift: Int, _ ends: Ends
  ) throws(ConstraintViolation) -> Body {
    var builder = BodyBuilder(phase: slot == .stream ? .forward : .inputGradient)
    let wire = builder.addBuffer(try buffer(slot, ends.wire))
    builder.emit(.receive(wire, Message(slot, along: axis, shift: shift)))
    builder.give(slot, builder.reshard(wire, to: ends.stored))
    return body("receive", builder, ends)
  }

  private func settle(
    _ slot: Slot, shift: Int, _ ends: Ends
  ) throws(ConstraintViolation) -> Body {
    var builder = BodyBuilder(phase: slot == .stream ? .forward : .inputGradient)
    let wire = builder.take(Self.sent, try buffer(slot, ends.wire))
    builder.emit(.settle(wire, Message(slot, along: axis, shift: shift)))
    return body("settle", builder, ends)
  }

  private func body(_ name: String, _ builder: BodyBuilder, _ ends: Ends) -> Body {
    let slot = builder.phase == .forward ? "stream" : "gradient"
    return Liveness.body(
      Body(
        name: "\(name)-\(slot)-before-\(ends.taker.name)", blockClass: ends.taker.blockClass,
        phase: builder.phase, buffers: builder.buffers, takes: builder.takes,
        gives: builder.gives, instructions: builder.instructions))
  }
}
