package import PlanIR

/// What one call of a body costs: time, traffic, and how it changes memory.
package struct BodySummary: Sendable {
  package var kernels = Picoseconds.zero
  /// Its collectives, equal ones counted, in order of first use.
  package private(set) var collectives: [(use: CollectiveUse, count: Int)] = []
  /// Those of the forward pass, where all of it is computed again: what it takes; nil where its own are.
  private var repeated: [(use: CollectiveUse, count: Int)]?
  /// Times of communication, where its collectives are not kept.
  private var knownTimes = KnownTimes()
  /// What is allocated and not freed, by class; negative where more is freed.
  package var change = MemoryUse()
  /// What is allocated at the fullest instant, relative to the call's start.
  package var peak = MemoryUse()

  private struct KnownTimes {
    var communication = Picoseconds.zero
    var received = Picoseconds.zero
    var reductions = Picoseconds.zero
    var shards = Picoseconds.zero
    var exchanges = false
  }

  /// Nothing.
  package init() {}

  /// A body at `values` that sends nothing, memory in one class.
  init(_ body: BodyTemplate, _ values: [Int], _ cost: ClusterCost) {
    let (peak, change) = body.memory(values)
    self.init(peak: Bytes(peak), change: Bytes(change))
    kernels = body.kernels(values, cost)
  }

  /// Adds what `body` sends at `values`, `routes` being what its groups meet.
  mutating func send(_ body: BodyTemplate, _ values: [Int], _ routes: [Route]) {
    for use in body.uses {
      let bytes = values[use.term] * use.width
      let time =
        routes[use.group].time(use.pattern, bytes: bytes, width: use.width) * use.count
      knownTimes.communication += time
      if use.pattern == .send { knownTimes.received += time }
      if use.pattern.reducesGradients { knownTimes.reductions += time }
      if use.pattern == .exchange { knownTimes.exchanges = true }
      if use.isOfShards { knownTimes.shards += time }
    }
  }

  /// Memory alone, of one class.
  init(peak: Bytes, change: Bytes) {
    self.peak.add(peak, .transient)
    self.change.add(change, .transient)
  }

  /// Prices the kernels of `body`, and counts what it sends over `mesh` and allocates.
  package init(_ body: Body, mesh: Mesh, precision: Precision, cost: any CostModel) {
    var launches = 0
    for instruction in body.instructions {
      switch instruction {
      case .allocate(let buffer):
        charge(body.buffers[buffer], precision, 1)
        if change.program > peak.program { peak = change }
      case .free(let buffer):
        charge(body.buffers[buffer], precision, -1)
      case .kernel(let call):
        let work = KernelWork(call, in: body, precision: precision)
        kernels += cost.time(of: work)
        launches += cost.launches(of: work.traits.family)
      case .start:
        CollectiveUse(instruction, in: body, mesh, precision).map { Self.add($0, to: &collectives) }
      case .receive(let buffer, let message):
        Self.add(
          CollectiveUse(message, of: body.buffers[buffer].type, mesh, precision), to: &collectives)
      case .await, .send, .settle:
        break
      }
    }
    kernels = max(kernels, cost.time(ofLaunches: launches, in: body.phase))
    guard cost.recomputesWhole && !body.repeated.isEmpty else { return }
    kernels = max(kernels, Self.time(of: body.repeated.kernels, in: body, precision, cost))
    var whole: [(use: CollectiveUse, count: Int)] = []
    for instruction in body.repeated {
      CollectiveUse(instruction, in: body, mesh, precision).map { Self.add($0, to: &whole) }
    }
    repeated = whole
  }

  /// The time of `calls` of a forward pass.
  private static func time(
    of calls: [KernelCall], in body: Body, _ precision: Precision, _ cost: any CostModel
  ) -> Picoseconds {
    var (time, launches) = (Picoseconds.zero, 0)
    for call in calls {
      let work = KernelWork(call, in: body, precision: precision)
      time += cost.time(of: work)
      launches += cost.launches(of: work.traits.family)
    }
    return max(time, cost.time(ofLaunches: launches, in: .forward))
  }

  private mutating func charge(_ buffer: Buffer, _ precision: Precision, _ sign: Int) {
    let bytes = buffer.type.localCount * precision.bytes(of: buffer.type.width)
    change.add(Bytes(sign * bytes), buffer.bufferClass)
  }

  private static func add(
    _ use: CollectiveUse, to uses: inout [(use: CollectiveUse, count: Int)]
  ) {
    if let place = uses.firstIndex(where: { $0.use == use }) {
      uses[place].count += 1
    } else {
      uses.append((use, 1))
    }
  }

  /// Collectives whose time it takes.
  package var timed: [(use: CollectiveUse, count: Int)] { repeated ?? collectives }

  /// What a body takes whose times of communication are known.
  var known: Picoseconds { kernels + knownTimes.communication }

  /// The time of its collectives.
  package func communication(_ cost: any CostModel) -> Picoseconds {
    timed.reduce(knownTimes.communication) { $0 + cost.time(of: $1.use) * $1.count }
  }

  /// The time of those that may go on beside the last backward pass: gradients reduced once a step.
  func reductions(_ cost: any CostModel) -> Picoseconds {
    guard cost.overlapsGradients else { return .zero }
    return collectives.reduce(knownTimes.reductions) {
      $1.use.pattern.reducesGradients ? $0 + cost.time(of: $1.use) * $1.count : $0
    }
  }

  /// What it takes of a micro-batch.
  func time(_ cost: any CostModel) -> BodyTime {
    var time = BodyTime(kernels: kernels, rest: communication(cost))
    guard cost.overlapsGradients else { return time }
    time.exchange = timed.reduce(knownTimes.shards) {
      $1.use.isOfShards ? $0 + cost.time(of: $1.use) * $1.count : $0
    }
    time.rest -= time.exchange
    return time
  }

  /// Whether the first and the last stage meet in it.
  var exchanges: Bool {
    knownTimes.exchanges || collectives.contains { $0.use.pattern == .exchange }
  }

  /// The time that what it receives is on its way.
  func received(_ cost: any CostModel) -> Picoseconds {
    collectives.reduce(knownTimes.received) {
      $1.use.pattern == .send ? $0 + cost.time(of: $1.use) * $1.count : $0
    }
  }
}

extension Collective {
  /// The type of its whole buffer, of those it reads and writes.
  func wholeType(_ from: TensorType, _ into: TensorType) -> TensorType {
    switch self {
    case .allGather, .gatherChunks: into
    default: from
    }
  }
}

extension [Instruction] {
  /// The calls of kernels among them.
  var kernels: [KernelCall] {
    compactMap { instruction in
      if case .kernel(let call) = instruction { call } else { nil }
    }
  }
}

extension CollectiveUse {
  /// What `instruction` of `body` starts; nil where that is no collective.
  init?(_ instruction: Instruction, in body: Body, _ mesh: Mesh, _ precision: Precision) {
    guard case .start(_, let collective, let axes, let from, let into) = instruction else {
      return nil
    }
    self.init(
      collective, in: body.phase, over: axes, from: body.buffers[from].type,
      into: body.buffers[into].type, mesh, precision)
  }

  /// A collective from one buffer into another, in a body of `phase`.
  init(
    _ collective: Collective, in phase: Phase, over axes: [AxisReference], from: TensorType,
    into: TensorType, _ mesh: Mesh, _ precision: Precision
  ) {
    let type = collective.wholeType(from, into)
    width = precision.bytes(of: type.width)
    let size = collective.groupSize(over: axes)
    // Along the stages all groups take part, in any other direction those of the stage that calls.
    let groups =
      mesh.pipeline.map { axes.contains($0) } ?? false
      ? mesh.stageDevices : mesh.stageDevices / size
    pattern = collective.pattern(in: phase)
    isOfShards = phase.exchangesShards(type, over: axes, mesh)
    self.axes = axes
    bytes = type.localCount * width
    // Of uneven chunks each is some group's, equally often: their sum is the part they were cut of.
    total =
      collective.groupBytes(size: size, bytes: type.blockCount * width)
      * groups / type.sharding.chunks.groupSize
  }

  /// A message that is received in a buffer of `type`; of uneven chunks the largest decides how long.
  init(_ message: Message, of type: TensorType, _ mesh: Mesh, _ precision: Precision) {
    width = precision.bytes(of: type.width)
    pattern = .send
    axes = [message.axis]
    bytes = type.localCount * width
    total = type.blockCount * width * mesh.stageDevices / type.sharding.chunks.groupSize
  }
}
