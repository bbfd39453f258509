package import PlanIR

/// What one call of a body costs: time, traffic, and how it changes memory.
package struct BodySummary: Sendable {
  package var kernels = Picoseconds.zero
  /// Its collectives, equal ones counted, in order of first use.
  package private(set) var collectives: [(use: CollectiveUse, count: Int)] = []
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
      case .start(_, let collective, let axes, let from, let into):
        let (from, into) = (body.buffers[from].type, body.buffers[into].type)
        add(
          CollectiveUse(
            collective, in: body.phase, over: axes, from: from, into: into, mesh, precision))
      case .receive(let buffer, let message):
        add(CollectiveUse(message, of: body.buffers[buffer].type, mesh, precision))
      case .await, .send, .settle:
        break
      }
    }
    kernels = max(kernels, cost.time(ofLaunches: launches, in: body.phase))
    if cost.recomputesWhole && !body.repeated.isEmpty {
      kernels = max(kernels, Self.time(of: body.repeated, in: body, precision, cost))
    }
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

  private mutating func add(_ use: CollectiveUse) {
    if let place = collectives.firstIndex(where: { $0.use == use }) {
      collectives[place].count += 1
    } else {
      collectives.append((use, 1))
    }
  }

  /// What a body takes whose times of communication are known.
  var known: Picoseconds { kernels + knownTimes.communication }

  /// The time of its collectives.
  package func communication(_ cost: any CostModel) -> Picoseconds {
    collectives.reduce(knownTimes.communication) { $0 + cost.time(of: $1.use) * $1.count }
  }

  /// The time of those that may go on beside the last backward pass: gradients reduced once a step.
  func reductions(_ cost: any CostModel) -> Picoseconds {
    guard cost.overlapsGradients else { return .zero }
    return collectives.reduce(knownTimes.reductions) {
      $1.use.pattern.reducesGradients ? $0 + cost.time(of: $1.use) * $1.count : $0
    }
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

extension CollectiveUse {
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
