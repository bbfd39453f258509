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
}

/// What it takes replicas at least to reduce, scatter and gather the parameters of a layer, or a block of one, none of
/// which is sharded over anything else.
struct ReplicaTimes {
  /// Gradients as they are stored: summed up on all replicas, or scattered.
  private(set) var reduce = Picoseconds.zero
  private(set) var scatter = Picoseconds.zero
  /// Weights, each replica having a chunk.
  private(set) var gather = Picoseconds.zero
  /// By the axes over which weights are sharded what that takes.
  private var sharded: [[String]: Sharded] = [:]
  /// Whether gradients are reduced beside the last backward pass, shards exchanged beside kernels.
  private let overlaps: Bool

  /// What it takes where weights are sharded, and to gather them again for gradients.
  private struct Sharded {
    var bound: ReplicaBound
    var again: Picoseconds

    func isLeast(_ other: Sharded) -> Bool { bound.isLeast(other.bound) && again <= other.again }
  }

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

  /// Adds what weights take that are sharded over `axes`: of gradients each, over `route` the parts that are scattered in
  /// every micro-batch, and over `rest` the chunks that are reduced once a step; of weights each, over routes what is
  /// gathered in every micro-batch, forward and, where it is gathered again, backward.
  mutating func add(
    _ gradients: [(route: Route, rest: Route, bytes: [Int], copies: Int)],
    forward: [(route: Route, bytes: [Int])], backward: [(route: Route, bytes: [Int])],
    over axes: [String], _ precision: Precision
  ) {
    let width = precision.bytes(of: .mainGradient)
    var (scatter, reduce) = (Picoseconds.zero, Picoseconds.zero)
    for own in gradients {
      for bytes in own.bytes {
        scatter += own.route.time(.reduceScatter, bytes: bytes, width: width)
        reduce += own.rest.time(
          .bucketedAllReduce, bytes: max(0, bytes / own.copies - width), width: width)
      }
    }
    func gathered(_ weights: [(route: Route, bytes: [Int])]) -> Picoseconds {
      let width = precision.bytes(of: .weight)
      return Self.less(
        weights.reduce(.zero) { sum, own in
          own.bytes.reduce(sum) { $0 + own.route.time(.allGather, bytes: $1, width: width) }
        })
    }
    sharded[axes] = Sharded(
      bound: ReplicaBound(
        passes: PassBound(forward: gathered(forward), weightGradient: Self.less(scatter)),
        once: once(Self.less(reduce)),
        isBeside: overlaps && !LayoutCatalog.replicaAxes.isDisjoint(with: axes)),
      again: gathered(backward))
  }

  /// Less than `time` by more than rounding makes, picosecond by picosecond, and chunk by chunk.
  private static func less(_ time: Picoseconds) -> Picoseconds {
    Picoseconds(max(0, time.count - time.count / 10_000 - 1000))
  }

  /// Where weights, gradients and optimizer state are sharded so; weights gathered again for gradients where
  /// `gathersAgain`.
  func bound(sharding weights: ShardedWeights, gathersAgain: Bool = false) -> ReplicaBound {
    if var own = sharded[weights.over] {
      if gathersAgain { own.bound.passes.inputGradient = own.again }
      return own.bound
    }
    var own = bound(sharedBy: weights.copies, isWhole: weights.isWhole, zero: weights.zero)
    guard weights.over.isEmpty, [1, 2].contains(weights.zero), let scattered = sharded[["data"]]
    else { return own }
    // Gradients are scattered over replicas as where weights are sharded, their chunks summed up over what else has copies.
    own.once = own.once + scattered.bound.once
    if weights.zero == 2 {
      own.passes = PassBound(weightGradient: scattered.bound.passes.weightGradient)
    }
    return own
  }

  /// The ways in which parameters may be shared, over replicas too or not.
  static let forms = [(true, 3), (false, 1), (false, 2), (false, 0)]

  /// Once a step where they are shared so, of one micro-batch at least.
  func once(sharedBy copies: Int, isWhole: Bool, zero: Int) -> OnceBound {
    once(bound(sharedBy: copies, isWhole: isWhole, zero: zero).afterForward)
  }

  /// Whether `other` takes no less, in any of it.
  func isLeast(_ other: ReplicaTimes) -> Bool {
    reduce <= other.reduce && scatter <= other.scatter && gather <= other.gather
      && sharded.allSatisfy { axes, own in other.sharded[axes].map(own.isLeast) ?? false }
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

  /// What each block of `segments` takes, where weights may be sharded over each of `sets` of axes; of replicas that are
  /// alone that is all that is told.
  func times(
    _ segments: [[Int: ExchangedParameters]], sharding sets: [[String]], isAlone: Bool
  ) -> [[Int: ReplicaTimes]] {
    var routes = KnownRoutes(self)
    return segments.map { blocks in
      blocks.mapValues { times($0, sharding: sets, isAlone: isAlone, &routes) }
    }
  }

  private func times(
    _ parameters: ExchangedParameters, sharding sets: [[String]], isAlone: Bool,
    _ routes: inout KnownRoutes
  ) -> ReplicaTimes {
    let gradients = parameters.gradients.groups
    var times = ReplicaTimes(
      isAlone ? [] : gradients.map { (routes.route(over: $0.axes), $0.bytes) },
      replicas: routes.route(over: mesh.whole("data")),
      precision, overlaps: cluster.device.operators.overlapsGradients)
    for set in sets {
      let own = gradients.map { gradient in
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
      let axes = set.flatMap { mesh.whole($0) }
      func gathered(_ weights: TensorsByAxes) -> [(route: Route, bytes: [Int])] {
        weights.groups.compactMap { own in
          let over = axes.subtracting(own.axes)
          return over.isEmpty ? nil : (routes.route(over: over), own.bytes)
        }
      }
      times.add(
        own, forward: gathered(parameters.forward), backward: gathered(parameters.backward),
        over: set, precision)
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
