package import PlanIR

/// Prices kernels and collectives.
///
/// Times must be comparable and summable: equal work has equal time, and the time of a body is the
/// sum over its instructions. Everything is a function of its arguments alone.
package protocol CostModel: Sendable {
  /// The time of one kernel call on one device.
  func time(of work: KernelWork) -> Picoseconds

  /// The time of one collective.
  func time(of use: CollectiveUse) -> Picoseconds
}

/// One collective as a body runs it: what, over which axes, on how much.
package struct CollectiveUse: Hashable, Sendable {
  package var pattern: Pattern
  package var axes: [AxisReference]
  /// Bytes of the whole buffer (all-to-all and permute: what one device holds); of uneven chunks the
  /// largest.
  package var bytes: Int
  /// Of one element.
  var width: Int
  /// Bytes that cross between devices, over all groups.
  package var total: Int

  /// What moves in the same way.
  package enum Pattern: String, Hashable, Sendable {
    case allGather = "all-gather"
    case reduceScatter = "reduce-scatter"
    case allReduce = "all-reduce"
    case broadcast, reduce
    case allToAll = "all-to-all"
    case permute
    /// From one device to another.
    case send
    /// An all-reduce between two.
    case exchange

    /// The name in answers.
    package var name: String { self == .exchange ? Self.allReduce.rawValue : rawValue }
  }
}

extension Collective {
  var pattern: CollectiveUse.Pattern {
    switch self {
    case .allGather, .gatherChunks: .allGather
    case .reduceScatter, .scatterChunks: .reduceScatter
    case .allReduce: .allReduce
    case .allReduceEnds: .exchange
    case .broadcast: .broadcast
    case .reduce: .reduce
    case .allToAll: .allToAll
    case .permute: .permute
    }
  }
}

extension Cluster {
  /// How many of `devices` share one core, of a cluster whose devices are threads.
  func contention(among devices: Int) -> Double {
    sharedCores.map { max(1, Double(devices) / Double($0)) } ?? 1
  }
}

/// Rooflines for kernels, latency and bandwidth for collectives, measured times where there are any.
package struct ClusterCost: CostModel {
  let cluster: Cluster
  let precision: Precision
  let mesh: Mesh
  let placement: [AxisPlacement]
  let timings: TimingTable
  private let digits: MeshDigits
  /// How many devices share one core, of a cluster whose devices are threads.
  private let contention: Double

  /// The costs of a plan on `mesh`; of a part of its devices where `devices` says how many there are.
  package init(
    cluster: Cluster, precision: Precision, mesh: Mesh, placement: [AxisPlacement],
    timings: TimingTable = TimingTable(), devices: Int? = nil
  ) {
    contention = cluster.contention(among: devices ?? mesh.deviceCount)
    self.cluster = cluster
    self.precision = precision
    self.mesh = mesh
    self.placement =
      placement.isEmpty
      ? Placement.innermostFirst(mesh, perNode: cluster.devicesPerNode) : placement
    digits = MeshDigits(mesh: mesh, placement: self.placement)
    self.timings = timings
  }

  package func time(of work: KernelWork) -> Picoseconds {
    if let figure = timings.figure(of: work) {
      return Picoseconds(seconds: figure.seconds * contention)
    }
    let device = cluster.device
    let compute = Double(work.flops) / matmulFlops
    let memory = Double(work.bytes) / (device.memoryBandwidth * device.memoryEfficiency)
    return Picoseconds(seconds: (max(compute, memory) + device.launchSeconds) * contention)
  }

  /// FLOP/s of large products.
  private var matmulFlops: Double {
    let device = cluster.device
    let peak = precision == .fp32 ? device.matmulFlops32 : device.matmulFlops16
    return peak * device.matmulEfficiency
  }

  /// What a product of `flops` takes at least: by the roofline, or as far as those that were measured
  /// bound it.
  func leastTime(flops: Int) -> Picoseconds {
    guard timings.isEmpty else {
      return Picoseconds(seconds: timings.leastSeconds(flops: flops) * contention)
    }
    return Picoseconds(seconds: Double(flops) / matmulFlops * contention)
  }

  package func time(of use: CollectiveUse) -> Picoseconds {
    route(over: use.axes).time(use.pattern, bytes: use.bytes, width: use.width)
  }

  /// Where the time of `work` comes from.
  func source(of work: KernelWork) -> FigureSource {
    timings.figure(of: work)?.source ?? .modelled
  }

  /// Where the time of `use` comes from.
  func source(of use: CollectiveUse) -> FigureSource {
    route(over: use.axes).source(use.pattern, bytes: use.bytes, width: use.width)
  }

  /// What messages of a group over `axes` meet.
  func route(over axes: [AxisReference]) -> Route {
    Route(
      span: span(of: axes), levels: cluster.levels, contention: contention,
      measured: timings.collectives, width: precision.bytes(of: .activation))
  }

  private func span(of axes: [AxisReference]) -> GroupSpan {
    GroupSpan(over: axes, digits, cluster)
  }

  /// The outermost level that a group over `axes` crosses.
  func level(spanning axes: [AxisReference]) -> Cluster.Level {
    cluster.levels[span(of: axes).outermost ?? 0]
  }
}
