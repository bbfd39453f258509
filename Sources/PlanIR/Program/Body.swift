/// The place of a buffer in its body.
package typealias BufferID = Int

/// The ledgers' classes of memory.
package enum BufferClass: String, Hashable, Sendable, CaseIterable {
  case weight
  case mainGradient = "main-gradient"
  case masterWeight = "master-weight"
  case moment
  /// Kept by the forward pass for the backward.
  case saved
  case transient
  case workspace
  case input
}

/// A named piece of memory of a body: a tensor's local part.
package struct Buffer: Hashable, Sendable {
  package var name: String
  package var type: TensorType
  package var bufferClass: BufferClass
  /// What it is bound to throughout a run; nil where calls hand it on or allocate it.
  package var stored: Stored?

  package init(
    name: String, type: TensorType, bufferClass: BufferClass, stored: Stored? = nil
  ) {
    self.name = name
    self.type = type
    self.bufferClass = bufferClass
    self.stored = stored
  }

  /// What lives throughout a run.
  package enum Stored: Hashable, Sendable {
    case parameter(ParameterPart, String)
    /// The loss, summed over a step's micro-batches.
    case loss
  }
}

/// What calls hand to one another; whoever takes a slot owns its buffer.
package enum Slot: Hashable, Sendable {
  /// The residual stream, from the block before or to the block after.
  case stream
  /// Its gradient, from the block after or to the block before.
  case gradient
  /// From one phase of a block to a later one of the same block and micro-batch.
  case kept(String)
  /// The gradient of a parameter, not yet reduced, from the block that borrows it to the one that
  /// owns it.
  case borrowed(String)
}

/// A buffer that a body takes from a slot or gives to one.
package struct SlotBuffer: Hashable, Sendable {
  package var slot: Slot
  package var buffer: BufferID

  package init(_ slot: Slot, _ buffer: BufferID) {
    self.slot = slot
    self.buffer = buffer
  }
}

/// What is stored for each parameter throughout a run.
package enum ParameterPart: Hashable, Sendable {
  case weight, mainGradient, masterWeight
  case moment(Int)

  /// The class it is charged to.
  package var bufferClass: BufferClass {
    switch self {
    case .weight: .weight
    case .mainGradient: .mainGradient
    case .masterWeight: .masterWeight
    case .moment: .moment
    }
  }

  /// The width it is planned in.
  package var width: ValueWidth {
    switch self {
    case .weight: .weight
    case .mainGradient: .mainGradient
    case .masterWeight: .masterWeight
    case .moment: .moment
    }
  }
}

/// Names a started collective until it is awaited.
package typealias Token = Int

/// What local code computes: an operation of the graph on local parts, or bookkeeping.
package enum KernelKind: Hashable, Sendable {
  case operation(OperationKind)
  /// [x] -> x, or x added where the call accumulates.
  case copy
  /// [x] -> the device's part of x along the result's sharding.
  case slice
  /// [x] -> one of equal panels of the device's part of x along a dimension.
  case panel(Panel)
  /// [panel] -> its place in the device's part of the result, on the device that it belongs to;
  /// nothing elsewhere.
  case place(Panel, owner: Int, over: [AxisReference])
  /// A step of ring attention: [query, key, value] -> context, log-sum-exp of all that the queries
  /// have seen so far; added to what they had seen before where the call accumulates.
  case attentionStep(AttentionSettings, RingHop)
  /// A step of its derivative: [dcontext, query, key, value, context, log-sum-exp] -> dquery, dkey,
  /// dvalue, added to what they were where the call accumulates.
  case attentionGradientStep(AttentionSettings, RingHop)
  /// Loads tokens, labels, features or a cotangent of the micro-batch from the host.
  case load(GraphValue.Origin)
  /// [] -> zeros.
  case zero
  /// [gradient] updates [weight, master weight?, moments...] in place.
  case update(Optimizer)

  /// The name kernels are timed and printed under.
  package var name: String {
    switch self {
    case .operation(let kind): kind.name
    case .copy: "copy"
    case .slice: "slice"
    case .panel: "panel"
    case .place: "place"
    case .attentionStep: "attention-step"
    case .attentionGradientStep: "attention-gradient-step"
    case .load: "load"
    case .zero: "zero"
    case .update(let optimizer): optimizer.rawValue
    }
  }
}

/// Whose keys and values are at hand in a step of ring attention: those of the device `hops` before
/// along an axis, round the end.
package struct RingHop: Hashable, Sendable {
  package var axis: AxisReference
  package var hops: Int

  package init(along axis: AxisReference, hops: Int) {
    self.axis = axis
    self.hops = hops
  }

  /// The device whose keys and values `device` has at hand.
  package func source(of device: Int, in mesh: Mesh) -> Int {
    mesh.neighbour(of: device, along: axis, shift: -hops)
  }
}

/// One of `count` equal parts of a dimension of a device's part of a tensor.
package struct Panel: Hashable, Sendable {
  package var dimension: Dimension
  package var index: Int
  package var count: Int

  package init(of dimension: Dimension, index: Int, count: Int) {
    self.dimension = dimension
    self.index = index
    self.count = count
  }
}

/// A kernel's call within a body.
package struct KernelCall: Hashable, Sendable {
  package var kind: KernelKind
  package var reads: [BufferID]
  package var writes: [BufferID]
  /// Whether the results are added to what the written buffers hold.
  package var accumulate: Bool
  /// The value it computes, the site of random draws.
  package var site: String
  /// Which panel of its operands or result it works on, in a loop over them.
  package var panel: Panel?

  package init(
    _ kind: KernelKind, reads: [BufferID], writes: [BufferID], accumulate: Bool = false,
    site: String = "", panel: Panel? = nil
  ) {
    self.kind = kind
    self.reads = reads
    self.writes = writes
    self.accumulate = accumulate
    self.site = site
    self.panel = panel
  }
}

/// One step of a body.
package enum Instruction: Hashable, Sendable {
  case allocate(BufferID)
  case free(BufferID)
  case kernel(KernelCall)
  case start(Token, Collective, over: [AxisReference], from: BufferID, into: BufferID)
  case await(Token)
  /// Hands a buffer to a neighbouring stage, which may take it from then on.
  case send(BufferID, Message)
  /// Waits for what a neighbouring stage sends, and copies it.
  case receive(BufferID, Message)
  /// Waits until what was sent in the buffer has been received.
  case settle(BufferID, Message)

  /// The buffers it reads and those it writes.
  package var accesses: (reads: [BufferID], writes: [BufferID]) {
    switch self {
    case .allocate, .free, .await: ([], [])
    case .kernel(let call): (call.accumulate ? call.reads + call.writes : call.reads, call.writes)
    case .start(_, _, _, let from, let into): ([from], [into])
    case .send(let buffer, _), .settle(let buffer, _): ([buffer], [])
    case .receive(let buffer, _): ([], [buffer])
    }
  }
}

extension Instruction {
  /// The same with `other` in place of `buffer`.
  package func using(_ other: BufferID, for buffer: BufferID) -> Instruction {
    func own(_ used: BufferID) -> BufferID { used == buffer ? other : used }
    switch self {
    case .allocate(let used): return .allocate(own(used))
    case .free(let used): return .free(own(used))
    case .kernel(var call):
      (call.reads, call.writes) = (call.reads.map(own), call.writes.map(own))
      return .kernel(call)
    case .start(let token, let collective, let axes, let from, let into):
      return .start(token, collective, over: axes, from: own(from), into: own(into))
    case .await: return self
    case .send(let used, let message): return .send(own(used), message)
    case .receive(let used, let message): return .receive(own(used), message)
    case .settle(let used, let message): return .settle(own(used), message)
    }
  }
}

/// The place of a body in its program.
package typealias BodyID = Int

/// Straight-line code of one phase of a block class, the same for all layers, micro-batches and
/// devices: what differs between devices is symbolic in their coordinates.
package struct Body: Hashable, Sendable {
  package var name: String
  package var blockClass: BlockClass
  package var phase: Phase
  package var buffers: [Buffer]
  /// Buffers that the call receives, and owns from then on.
  package var takes: [SlotBuffer]
  /// Buffers that the call hands on.
  package var gives: [SlotBuffer]
  package var instructions: [Instruction]
  /// Of what computes a whole layer again, all kernels and collectives of its forward pass: those that frameworks run
  /// which leave none of them out.
  package var repeated: [Instruction] = []

  package init(
    name: String, blockClass: BlockClass, phase: Phase, buffers: [Buffer],
    takes: [SlotBuffer] = [], gives: [SlotBuffer] = [], instructions: [Instruction]
  ) {
    self.name = name
    self.blockClass = blockClass
    self.phase = phase
    self.buffers = buffers
    self.takes = takes
    self.gives = gives
    self.instructions = instructions
  }
}
