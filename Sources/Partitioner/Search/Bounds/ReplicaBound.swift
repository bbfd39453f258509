import PlanIR

/// What replicas exchange of one layer's parameters at least.
struct ReplicaBound: Hashable {
  /// Of every micro-batch: weights gathered before they are used, gradients scattered.
  var passes = PassBound()
  /// Once a step.
  var once = OnceBound()
  /// Whether that goes on beside kernels.
  var isBeside = false

  /// The lesser of each.
  func least(_ other: ReplicaBound) -> ReplicaBound {
    ReplicaBound(
      passes: passes.least(other.passes), once: once.least(other.once),
      isBeside: isBeside || other.isBeside)
  }

  /// What comes beside forward passes and before the step's end at least, of one micro-batch: of what goes on beside
  /// kernels that of its backward pass.
  var afterForward: Picoseconds {
    let all = passes.inputGradient + passes.weightGradient + once.time + once.reductions
    return isBeside ? all : all + passes.forward
  }

  /// Whether `other` takes no less, in any of it.
  func isLeast(_ other: ReplicaBound) -> Bool { least(other) == self }

  /// The layers of `bound` with it.
  func added(to bound: LayerBound, layers: Int) -> LayerBound {
    var result = bound
    guard isBeside else {
      result.total = bound.total + passes * layers
      result.least = bound.least.map { $0 + passes }
      return result
    }
    result.total = beside(bound.total, bound.sent.total, layers: layers)
    let sent = bound.sent.least ?? PassBound()
    result.least = bound.least.map { beside($0, sent, layers: 1) }
    return result
  }

  /// `bound` of `layers` that send so much of it: each takes the longer of what it computes and of what is exchanged,
  /// backward of both gradients.
  private func beside(_ bound: PassBound, _ sent: PassBound, layers: Int) -> PassBound {
    let own = passes * layers
    var result = bound
    result.forward = max(bound.forward, sent.forward + own.forward)
    result.weightGradient = max(
      bound.weightGradient,
      sent.inputGradient + sent.weightGradient + own.inputGradient + own.weightGradient
        - bound.inputGradient)
    return result
  }
}

/// What it takes replicas at least to reduce, scatter and gather one layer's parameters, none of which is
/// sharded over anything else.
struct ReplicaTimes {
  /// Gradients as they are stored: summed up on all replicas, or scattered.
  private(set) var reduce = Picoseconds.zero
  private(set) var scatter = Picoseconds.zero
  /// Weights, each replica having a chunk.
  private(set) var gather = Picoseconds.zero
  /// By the axes over which weights are sharded what that takes.
  private var sharded: [[String]: ReplicaBound] = [:]
  /// Whether gradients are reduced beside the last backward pass, shards exchanged beside kernels.
  private let overlaps: Bool

  /// Of what is alone.
  init() { overlaps = false }

  /// Of gradients that are summed up over routes, each with bytes, and over replicas alone by `replicas`.
  init(
    _ gradients: [(route: Route, bytes: [Int])], replicas: Route, _ precision: Precision,
    overlaps: Bool
  ) {
    self.overlaps = overlaps
    let width = precision.bytes(of: .mainGradient)
    var bytes = 0
    for own in gradients {
      for one in own.bytes {
        reduce += own.route.time(.bucketedAllReduce, bytes: one, width: width)
        bytes += one
      }
    }
    scatter = replicas.time(.bucketedReduceScatter, bytes: bytes, width: width)
    let weights = bytes / width * precision.bytes(of: .weight)
    gather = replicas.time(
      .bucketedAllGather, bytes: weights, width: precision.bytes(of: .weight))
  }

  /// Of gradients of so many bytes where nothing is known of `routes` but that replicas meet one of them.
  init(bytes: Int, meeting routes: [Route], _ precision: Precision, overlaps: Bool) {
    self.overlaps = overlaps
    let (width, weight) = (
      precision.bytes(of: .mainGradient), precision.bytes(of: .weight)
    )
    scatter =
      routes.map { $0.time(.bucketedReduceScatter, bytes: bytes, width: width) }.min() ?? .zero
    gather =
      routes.map { $0.time(.bucketedAllGather, bytes: bytes / width * weight, width: weight) }.min()
      ?? .zero
  }

  /// Where weights are sharded over axes that have `copies` devices beside replicas, over replicas too where
  /// `isWhole`, and gradients and optimizer state as `zero` says.
  func bound(sharedBy copies: Int, isWhole: Bool, zero: Int) -> ReplicaBound {
    func least(_ time: Picoseconds) -> Picoseconds {
      // Times are rounded to picoseconds one by one.
      Picoseconds(max(0, time.count / copies - time.count / 100_000 - 100))
    }
    var bound = ReplicaBound(isBeside: overlaps)
    switch zero {
    case _ where isWhole:
      bound.passes = PassBound(forward: least(gather), weightGradient: least(scatter))
    case 1: bound.once = once(least(scatter)) + OnceBound(time: least(gather))
    case 2:
      bound.passes = PassBound(weightGradient: least(scatter))
      bound.once = OnceBound(time: least(gather))
    default: bound.once = once(least(reduce))
    }
    return bound
  }

  /// Gradients that are reduced once a step.
  private func once(_ time: Picoseconds) -> OnceBound {
    overlaps ? OnceBound(reductions: time) : OnceBound(time: time)
  }

  /// Adds what weights take that are sharded over `axes`: of gradients each, and of weights each, over `routes`
  /// the parts that are gathered and scattered in every micro-batch, and over `rest` the chunks that are
  /// reduced once a step.
  mutating func add(
    _ gradients: [(route: Route, rest: Route, bytes: [Int], copies: Int)], over axes: [String],
    _ precision: Precision
  ) {
    let width = precision.bytes(of: .mainGradient)
    let weight = precision.bytes(of: .weight)
    var (gather, scatter, reduce) = (Picoseconds.zero, Picoseconds.zero, Picoseconds.zero)
    for own in gradients {
      for bytes in own.bytes {
        gather += own.route.time(.allGather, bytes: bytes / width * weight, width: weight)
        scatter += own.route.time(.reduceScatter, bytes: bytes, width: width)
        reduce += own.rest.time(
          .bucketedAllReduce, bytes: max(0, bytes / own.copies - width), width: width)
      }
    }
    sharded[axes] = ReplicaBound(
      passes: PassBound(forward: Self.less(gather), weightGradient: Self.less(scatter)),
      once: once(Self.less(reduce)), isBeside: overlaps && !Phase.replicaAxes.isDisjoint(with: axes)
    )
  }

  /// Less than `time` by more than rounding makes, picosecond by picosecond, and chunk by chunk.
  private static func less(_ time: Picoseconds) -> Picoseconds {
    Picoseconds(max(0, time.count - time.count / 10_000 - 1000))
  }

  /// Where weights, gradients and optimizer state are sharded so.
  func bound(sharding weights: ShardedWeights) -> ReplicaBound {
    if let own = sharded[weights.over] { return own }
    return bound(sharedBy: weights.copies, isWhole: weights.isWhole, zero: weights.zero)
  }

  /// Once a step whatever is sharded, of one micro-batch at least.
  func least(sharedBy copies: Int) -> OnceBound {
    let all = [(true, 3), (false, 1), (false, 2), (false, 0)].map { isWhole, zero in
      bound(sharedBy: copies, isWhole: isWhole, zero: zero).afterForward
    }
    return once(all.min() ?? .zero)
  }

  /// Whether `other` takes no less, in any of it.
  func isLeast(_ other: ReplicaTimes) -> Bool {
    reduce <= other.reduce && scatter <= other.scatter && gather <= other.gather
      && sharded.allSatisfy { axes, own in other.sharded[axes].map(own.isLeast) ?? false }
  }

  /// The lesser of each.
  func least(_ other: ReplicaTimes) -> ReplicaTimes {
    var result = self
    result.reduce = min(reduce, other.reduce)
    result.scatter = min(scatter, other.scatter)
    result.gather = min(gather, other.gather)
    result.sharded = [:]
    for (axes, own) in sharded {
      result.sharded[axes] = other.sharded[axes].map(own.least)
    }
    return result
  }
}

/// What replicas of a tensor mesh meet that lie as close to each other as they can.
struct ReplicaNetwork {
  private let mesh: Mesh
  private let digits: MeshDigits
  private let cluster: Cluster
  private let precision: Precision
  private let contention: Double

  /// Of `count` replicas of `mesh`, which has some, its other axes over nodes of `cluster` as `placement` says: where
  /// it has replicas inside a node there may be no more.
  init(
    _ mesh: Mesh, _ placement: [AxisPlacement], of cluster: Cluster, replicas count: Int,
    _ request: SearchRequest
  ) {
    // One is numbered as the first of two.
    let replicas = max(count, LayerPoint.replicas)
    let whole = Mesh(mesh.axes.map { MeshAxis($0.name, $0.name == "data" ? replicas : $0.size) })
    let own = placement.map { axis -> AxisPlacement in
      guard axis.axis == "data" else { return axis }
      let inside = greatestCommonDivisor(count, axis.insideNode)
      return AxisPlacement(axis: axis.axis, insideNode: inside, acrossNodes: replicas / inside)
    }
    self.mesh = whole
    digits = MeshDigits(mesh: whole, placement: own)
    self.cluster = cluster
    precision = request.training.workload.precision
    contention = request.cluster.contention(among: request.devices, request.timings)
  }

  /// What a layer takes that has `gradients`, where weights may be sharded over each of `sets` of axes; of replicas
  /// that are alone that is all that is told.
  func times(
    _ gradients: ExchangedGradients, sharding sets: [[String]], isAlone: Bool
  ) -> ReplicaTimes {
    var routes = KnownRoutes(self)
    var times = ReplicaTimes(
      isAlone ? [] : gradients.groups.map { (routes.route(over: $0.axes), $0.bytes) },
      replicas: routes.route(over: mesh.whole("data")),
      precision, overlaps: cluster.device.operators.overlapsGradients)
    for set in sets {
      let own = gradients.groups.map { gradient in
        let over = gradient.axes.filter { set.contains(mesh.axes[$0.axis].name) }
        let rest = gradient.axes.filter { axis in
          !over.contains(axis) && !(isAlone && mesh.axes[axis.axis].name == "data")
        }
        let copies = over.map { whole($0) }.groupSize
        return (
          route: routes.route(over: over), rest: routes.route(over: rest), bytes: gradient.bytes,
          copies: copies
        )
      }
      times.add(own, over: set, precision)
    }
    return times
  }

  /// Routes found once for all gradients: they go over few groups.
  private struct KnownRoutes {
    private let network: ReplicaNetwork
    private var known: [(axes: [AxisReference], route: Route)] = []

    init(_ network: ReplicaNetwork) { self.network = network }

    mutating func route(over axes: [AxisReference]) -> Route {
      if let found = known.first(where: { $0.axes == axes }) { return found.route }
      let made = network.route(over: axes)
      known.append((axes, made))
      return made
    }
  }

  private func route(over axes: [AxisReference]) -> Route {
    Route(
      span: GroupSpan(over: axes.map(whole), digits, cluster), levels: cluster.levels,
      contention: contention,
      measured: CollectiveTimes(), width: precision.bytes(of: .activation),
      bucket: cluster.device.operators.gradientBucket)
  }

  /// The axis of all replicas, of however many `axis` is.
  private func whole(_ axis: AxisReference) -> AxisReference {
    mesh.axes[axis.axis].name == "data" ? mesh.axis("data") ?? axis : axis
  }
}
