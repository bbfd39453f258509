package import PlanIR

/// What one call of a body costs: time, traffic, and how it changes memory.
package struct BodySummary: Sendable {
  package var kernels = Picoseconds.zero
  /// Traffic by axes and collective, in order of first use.
  package var traffic: [TrafficKey: TrafficSum] = [:]
  /// What is allocated and not freed, by class; negative where more is freed.
  package var change = MemoryUse()
  /// What is allocated at the fullest instant, relative to the call's start.
  package var peak = MemoryUse()

  /// Identifies traffic in answers.
  package struct TrafficKey: Hashable, Sendable {
    package var axes: [AxisReference]
    package var collective: String
  }

  /// Bytes over all devices, and one device's time.
  package struct TrafficSum: Sendable {
    package var bytes = 0
    package var time = Picoseconds.zero
  }

  /// Time of kernels and collectives together; none overlap yet.
  package var time: Picoseconds {
    traffic.values.reduce(kernels) { $0 + $1.time }
  }

  /// Prices `body` on `mesh`.
  package init(_ body: Body, mesh: Mesh, precision: Precision, cost: any CostModel) {
    for instruction in body.instructions {
      switch instruction {
      case .allocate(let buffer):
        charge(body.buffers[buffer], precision, 1)
        if change.program > peak.program { peak = change }
      case .free(let buffer):
        charge(body.buffers[buffer], precision, -1)
      case .kernel(let call):
        kernels += cost.time(of: KernelWork(call, in: body, precision: precision))
      case .start(_, let collective, let axes, let from, let into):
        add(collective, axes, body.buffers[from], body.buffers[into], mesh, precision, cost)
      case .await:
        break
      }
    }
  }

  private mutating func charge(_ buffer: Buffer, _ precision: Precision, _ sign: Int) {
    let bytes = buffer.type.localCount * precision.bytes(of: buffer.type.width)
    change.add(Bytes(sign * bytes), buffer.bufferClass)
  }

  private mutating func add(
    _ collective: Collective, _ axes: [AxisReference], _ from: Buffer, _ into: Buffer,
    _ mesh: Mesh, _ precision: Precision, _ cost: any CostModel
  ) {
    let width = precision.bytes(of: from.type.width)
    let type: TensorType
    switch collective {
    case .allGather, .gatherChunks: type = into.type
    default: type = from.type
    }
    let whole = type.localCount * width
    let size = axes.groupSize
    let groups = mesh.deviceCount / size
    let key = TrafficKey(axes: axes.joined, collective: collective.name)
    // Of uneven chunks each is some group's, equally often: their sum is the part they were cut of.
    let chunks = type.sharding.chunks.groupSize
    traffic[key, default: TrafficSum()].bytes +=
      collective.groupBytes(size: size, bytes: type.blockCount * width) * groups / chunks
    traffic[key, default: TrafficSum()].time +=
      cost.time(of: collective, over: axes, in: mesh, bytes: whole)
  }
}
