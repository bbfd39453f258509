package import PlanIR

/// Prices kernels and collectives.
///
/// Times must be comparable and summable: equal work has equal time, and the time of a body is the
/// sum over its instructions. Everything is a function of its arguments alone.
package protocol CostModel: Sendable {
  /// The time of one kernel call on one device.
  func time(of work: KernelWork) -> Picoseconds

  /// The time of one collective over `axes` of `mesh` on a whole buffer of `bytes` (all-to-all and
  /// permute: what one device holds).
  func time(
    of collective: Collective, over axes: [AxisReference], in mesh: Mesh, bytes: Int
  ) -> Picoseconds
}

/// Rooflines for kernels, latency and bandwidth for collectives, measured times where there are any.
package struct ClusterCost: CostModel {
  let cluster: Cluster
  let precision: Precision
  let devices: Int
  let timings: TimingTable

  package init(
    cluster: Cluster, precision: Precision, devices: Int, timings: TimingTable = TimingTable()
  ) {
    self.cluster = cluster
    self.precision = precision
    self.devices = devices
    self.timings = timings
  }

  /// How many devices share one core, of a cluster whose devices are threads.
  private var contention: Double {
    cluster.sharedCores.map { max(1, Double(devices) / Double($0)) } ?? 1
  }

  package func time(of work: KernelWork) -> Picoseconds {
    if let shape = work.matmul, let measured = timings.seconds(of: shape) {
      return Picoseconds(seconds: measured * contention)
    }
    let device = cluster.device
    let peak = precision == .fp32 ? device.matmulFlops32 : device.matmulFlops16
    let compute = work.flops / (peak * device.matmulEfficiency)
    let memory = Double(work.bytes) / (device.memoryBandwidth * device.memoryEfficiency)
    return Picoseconds(seconds: (max(compute, memory) + device.launchSeconds) * contention)
  }

  package func time(
    of collective: Collective, over axes: [AxisReference], in mesh: Mesh, bytes: Int
  ) -> Picoseconds {
    let size = axes.groupSize
    guard size > 1 else { return .zero }
    let level = cluster.level(spanning: axes, of: mesh)
    let (messages, sent) = Self.ring(collective, size: size, bytes: Double(bytes))
    return Picoseconds(
      seconds: (Double(messages) * level.latency + sent / level.bandwidth) * contention)
  }

  /// Messages one after the other and bytes one device sends, by the bandwidth-optimal algorithms
  /// (Chan et al., Collective communication, 2007): rings; for broadcast and reduce a pipelined
  /// tree of logarithmic depth.
  private static func ring(
    _ collective: Collective, size: Int, bytes: Double
  ) -> (messages: Int, sent: Double) {
    let share = bytes * Double(size - 1) / Double(size)
    let depth = Int.bitWidth - (size - 1).leadingZeroBitCount
    switch collective {
    case .allGather, .reduceScatter, .gatherChunks, .scatterChunks: return (size - 1, share)
    case .allReduce: return (2 * (size - 1), 2 * share)
    case .broadcast, .reduce: return (depth, bytes)
    case .allToAll: return (size - 1, share)
    case .permute: return (1, bytes)
    }
  }
}

extension Cluster {
  /// The innermost level that joins every group over `axes`, devices of consecutive numbers being
  /// neighbours.
  package func level(spanning axes: [AxisReference], of mesh: Mesh) -> Level {
    let span = axes.map { mesh.stride(of: $0) * $0.size }.max() ?? 1
    let joined = levels.first { level in
      guard let size = level.devices else { return true }
      return size % span == 0 || mesh.deviceCount <= size
    }
    return joined ?? levels[levels.count - 1]
  }
}
