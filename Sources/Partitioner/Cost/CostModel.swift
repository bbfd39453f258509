package import PlanIR

/// Prices kernels and collectives.
///
/// Times must be comparable and summable: equal work has equal time, and the time of a body is the
/// sum over its instructions, or what launching its kernels takes where that is more. Everything is a
/// function of its arguments alone.
package protocol CostModel: Sendable {
  /// The time of one kernel call on one device.
  func time(of work: KernelWork) -> Picoseconds

  /// As how many kernels one of `family` is run.
  func launches(of family: KernelFamily) -> Int

  /// What the processor takes to launch as many kernels of a body of `phase`.
  func time(ofLaunches count: Int, in phase: Phase) -> Picoseconds

  /// Whether layers that are computed again in full are so with what nothing depends on.
  var recomputesWhole: Bool { get }

  /// Whether gradients that are reduced once a step are so while the last backward pass goes on, and shards of
  /// parameters are exchanged beside the kernels of every micro-batch.
  var overlapsGradients: Bool { get }

  /// How many devices share one core, by which all of the times above are stretched: while some wait, others
  /// have it.
  var contention: Double { get }

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
  /// Whether replicas exchange shards of parameters so, in every micro-batch.
  var isOfShards = false

  package init(
    pattern: Pattern, axes: [AxisReference], bytes: Int, width: Int, total: Int
  ) {
    (self.pattern, self.axes) = (pattern, axes)
    (self.bytes, self.width, self.total) = (bytes, width, total)
  }

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
    /// Of parameters' gradients and weights once a step, which frameworks join into buckets.
    case bucketedAllGather = "bucketed-all-gather"
    case bucketedReduceScatter = "bucketed-reduce-scatter"
    case bucketedAllReduce = "bucketed-all-reduce"

    /// Whether gradients are reduced so once a step.
    var reducesGradients: Bool { self == .bucketedReduceScatter || self == .bucketedAllReduce }

    /// The name in answers.
    package var name: String { plain.rawValue }

    /// What it is where nothing is said of how.
    var plain: Pattern {
      switch self {
      case .allGather, .bucketedAllGather: .allGather
      case .reduceScatter, .bucketedReduceScatter: .reduceScatter
      case .allReduce, .exchange, .bucketedAllReduce: .allReduce
      case .broadcast, .reduce, .allToAll, .permute, .send: self
      }
    }
  }
}

extension Collective {
  /// How it moves in a body of `phase`.
  func pattern(in phase: Phase) -> CollectiveUse.Pattern {
    guard phase == .reduceGradients || phase == .optimize else { return pattern }
    switch self {
    case .allGather, .gatherChunks: return .bucketedAllGather
    case .reduceScatter, .scatterChunks: return .bucketedReduceScatter
    case .allReduce: return .bucketedAllReduce
    case .allReduceEnds, .broadcast, .reduce, .allToAll, .permute: return pattern
    }
  }

  private var pattern: CollectiveUse.Pattern {
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

extension Phase {
  /// Whether what a body of it moves of `type` over `axes` of `mesh` are shards of parameters that replicas exchange, which
  /// frameworks do beside kernels.
  func exchangesShards(_ type: TensorType, over axes: [AxisReference], _ mesh: Mesh) -> Bool {
    guard !isOnceAStep, [.weight, .mainGradient].contains(type.width) else { return false }
    return axes.contains { LayoutCatalog.replicaAxes.contains(mesh.axes[$0.axis].name) }
  }
}

extension Cluster {
  /// How many of `devices` share one core, of a cluster whose devices are threads, times how much longer they
  /// take for sharing them.
  func contention(among devices: Int, _ timings: TimingTable) -> Double {
    guard let cores = sharedCores, devices > 1 else { return 1 }
    return max(1, Double(devices) / Double(cores)) * (timings.sharing ?? 1)
  }
}

/// Tiles and waves for products where the device has them, rooflines for other kernels, latency and bandwidth
/// for collectives, measured times where there are any.
package struct ClusterCost: CostModel {
  /// What is the same on every mesh.
  private let rates: ClusterRates
  let mesh: Mesh
  let placement: [AxisPlacement]
  private let digits: MeshDigits

  /// The costs of a plan on `mesh`; of a part of its devices where `devices` says how many there are.
  package init(
    cluster: Cluster, precision: Precision, mesh: Mesh, placement: [AxisPlacement],
    timings: TimingTable = TimingTable(), devices: Int? = nil
  ) {
    let rates = ClusterRates(
      cluster, precision, timings, devices: devices ?? mesh.deviceCount)
    self.init(rates, mesh: mesh, placement: placement)
  }

  /// The same rates on another mesh.
  init(_ rates: ClusterRates, mesh: Mesh, placement: [AxisPlacement]) {
    self.rates = rates
    self.mesh = mesh
    self.placement =
      placement.isEmpty
      ? Placement.innermostFirst(mesh, perNode: rates.cluster.devicesPerNode) : placement
    digits = MeshDigits(mesh: mesh, placement: self.placement)
  }

  var cluster: Cluster { rates.cluster }
  var precision: Precision { rates.precision }

  package func time(of work: KernelWork) -> Picoseconds {
    Picoseconds(seconds: (seconds(of: work) + rates.timings.interpretation) * rates.contention)
  }

  /// What a kernel computes takes, on a core of its own.
  private func seconds(of work: KernelWork) -> Double {
    if let figure = rates.timings.figure(of: work) { return figure.seconds }
    if let shape = work.matmul,
      let seconds = rates.seconds(shape, bytes: work.bytes, panels: work.traits.panels)
    {
      return seconds
    }
    let rate = rates.operators[work.traits.family.rawValue]
    let compute = attention(work) ?? Double(work.flops) / rates.matmulFlops
    let memory = Double(work.bytes) * rate.traffic / rates.memoryBandwidth
    let launching = rates.launchSeconds * Double(rate.launches)
    return max(compute, memory) + launching
  }

  /// Seconds of fused attention; nil of what is none, or where a roofline has to do.
  private func attention(_ work: KernelWork) -> Double? {
    guard rates.precision != .fp32, let attention = work.traits.attention else { return nil }
    let rate =
      work.traits.family == .attention ? rates.attention : rates.attentionGradient
    return rate?.seconds(flops: Double(work.flops), attention, peak: rates.attentionPeak)
  }

  package var recomputesWhole: Bool { rates.recomputesWhole }

  package var overlapsGradients: Bool { rates.overlapsGradients }

  package var contention: Double { rates.contention }

  package func launches(of family: KernelFamily) -> Int {
    rates.operators[family.rawValue].launches
  }

  /// When parameters are updated the processor is as far ahead as the step before let it.
  package func time(ofLaunches count: Int, in phase: Phase) -> Picoseconds {
    guard phase != .optimize else { return .zero }
    return Picoseconds(seconds: Double(count) * rates.hostSeconds * rates.contention)
  }

  /// What a product takes at least, at the rate that none exceeds; what it takes where products were measured.
  func leastTime(of shape: MatmulShape) -> Picoseconds {
    if let figure = rates.timings.figure(of: TimingTable.MatmulSize(shape)) {
      return Picoseconds(seconds: figure.seconds * rates.contention)
    }
    return Picoseconds(seconds: Double(shape.flops) / rates.fastestProducts * rates.contention)
  }

  package func time(of use: CollectiveUse) -> Picoseconds {
    route(over: use.axes).time(use.pattern, bytes: use.bytes, width: use.width)
  }

  /// Where the time of `work` comes from.
  func basis(of work: KernelWork) -> FigureBasis {
    rates.timings.basis(of: work) ?? work.matmul.flatMap(rates.basis)
      ?? FigureBasis(.modelled)
  }

  /// Where the time of `use` comes from.
  func basis(of use: CollectiveUse) -> FigureBasis {
    route(over: use.axes).basis(use.pattern, bytes: use.bytes, width: use.width)
  }

  /// What messages of a group over `axes` meet.
  func route(over axes: [AxisReference]) -> Route { route(over: span(of: axes)) }

  /// What messages of a group meet that lies over `span`, wherever else.
  func route(over span: GroupSpan) -> Route {
    Route(
      span: span, levels: rates.cluster.levels, contention: rates.contention,
      measured: rates.timings.collectives, interpretation: rates.timings.interpretation,
      width: rates.precision.bytes(of: .activation),
      bucket: rates.gradientBucket)
  }

  /// How a group over `axes` lies over networks.
  func span(of axes: [AxisReference]) -> GroupSpan {
    GroupSpan(over: axes, digits, rates.cluster)
  }

  /// The outermost level that a group over `axes` crosses.
  func level(spanning axes: [AxisReference]) -> Cluster.Level {
    rates.cluster.levels[span(of: axes).outermost ?? 0]
  }
}
