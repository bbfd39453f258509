import PlanIR

/// Collects the buffers and instructions of one body, without allocation: ``Liveness`` adds that.
struct BodyBuilder {
  let phase: Phase
  private(set) var buffers: [Buffer] = []
  private(set) var instructions: [Instruction] = []
  private(set) var takes: [SlotBuffer] = []
  private(set) var gives: [SlotBuffer] = []
  /// By value the forms in which it is at hand.
  private var known: [[Form]] = []
  /// By buffer the values that share it.
  private var sharing: [[ValueID]] = []
  private var tokens = 0

  /// A value in a buffer, under a sharding.
  struct Form: Hashable {
    var sharding: Sharding
    var buffer: BufferID
  }

  init(phase: Phase) { self.phase = phase }

  mutating func addBuffer(_ buffer: Buffer) -> BufferID {
    buffers.append(buffer)
    sharing.append([])
    return buffers.count - 1
  }

  mutating func addTransient(_ name: String, _ type: TensorType) -> BufferID {
    addBuffer(Buffer(name: name, type: type, bufferClass: .transient))
  }

  mutating func take(_ slot: Slot, _ buffer: Buffer) -> BufferID {
    let identifier = addBuffer(buffer)
    takes.append(SlotBuffer(slot, identifier))
    return identifier
  }

  /// Hands `buffer` on through `slot`; twice is once.
  mutating func give(_ slot: Slot, _ buffer: BufferID) {
    let given = SlotBuffer(slot, buffer)
    if !gives.contains(given) { gives.append(given) }
  }

  mutating func setClass(_ bufferClass: BufferClass, of buffer: BufferID) {
    buffers[buffer].bufferClass = bufferClass
  }

  mutating func emit(_ call: KernelCall) { instructions.append(.kernel(call)) }

  mutating func emit(_ instruction: Instruction) { instructions.append(instruction) }

  mutating func emit(
    _ collective: Collective, over axes: [AxisReference], from: BufferID, into: BufferID
  ) {
    emit(.await(start(collective, over: axes, from: from, into: into)))
  }

  /// Starts a collective; the token to await it by.
  mutating func start(
    _ collective: Collective, over axes: [AxisReference], from: BufferID, into: BufferID
  ) -> Token {
    instructions.append(.start(tokens, collective, over: axes, from: from, into: into))
    tokens += 1
    return tokens - 1
  }

  /// Notes that `value` is at hand in `buffer` under `sharding`.
  mutating func record(_ value: ValueID, _ sharding: Sharding, _ buffer: BufferID) {
    while known.count <= value { known.append([]) }
    known[value].append(Form(sharding: sharding, buffer: buffer))
    if !sharing[buffer].contains(value) { sharing[buffer].append(value) }
  }

  /// The forms in which `value` is at hand, in the order in which they were made.
  func forms(of value: ValueID) -> [Form] { value < known.count ? known[value] : [] }

  func form(of value: ValueID, _ sharding: Sharding) -> BufferID? {
    forms(of: value).first { $0.sharding == sharding }?.buffer
  }

  /// The values that share `buffer`.
  func sharers(of buffer: BufferID) -> [ValueID] { sharing[buffer] }

  /// Moves a tensor from one sharding to another and returns the buffer that holds the result.
  mutating func reshard(
    _ buffer: BufferID, to wanted: Sharding, reduction: Reduction = .sum
  ) -> BufferID {
    let source = buffers[buffer]
    if source.type.sharding == wanted { return buffer }
    let plan = Reshard(
      from: source.type.sharding, to: wanted, dimensions: source.type.dimensions,
      reduction: reduction)
    var current = buffer
    for (step, result) in plan.steps {
      var type = source.type
      type.sharding = result
      switch step {
      case .slice:
        let next = addTransient(source.name + ".slice", type)
        emit(KernelCall(.slice, reads: [current], writes: [next]))
        current = next
      case .collective(let collective, let axes):
        let next = addTransient(source.name + "." + collective.name, type)
        emit(collective, over: axes, from: current, into: next)
        current = next
      }
    }
    return current
  }
}
