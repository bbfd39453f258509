import PlanIR

/// The layers on one tensor mesh and context axis, for any number of replicas and stages: what bounds all
/// candidates that have them.
struct LayerPoint {
  /// Everything kept and gathered whole unless pinned, nothing sharded over data.
  let choices: PlanChoices
  let shape: LayoutShape
  let context: Int
  private let groups: [Group]
  /// The same gathering again what may be, of all forms that which keeps least; lowered where asked for.
  private var lean: [Group]?
  private let cost: ClusterCost
  /// By size of micro-batch.
  private var known: [Int: Bounds] = [:]

  private var knownLean: [Int: LayerMemory] = [:]

  /// What layers take of a micro-batch at least, where the axes of its mesh lie in one way or another over
  /// nodes, and hold at least.
  struct Bounds {
    var layers: [LayerBound]
    var memory: LayerMemory
  }

  private struct Group {
    let lowered: LoweredGroup
    /// What the groups over which it communicates meet, by placement.
    let routes: [[Route]]
    /// The segment and class of each of its blocks.
    let segments: [Int]
    let classes: [BlockClass]
    /// Of each block, whether it is the last of its layer.
    let areLast: [Bool]
  }

  /// Replicas that layers are lowered for: what they compute and send for a micro-batch does not depend
  /// on how many there are.
  static let replicas = 2

  /// The layers of `choices`, whose data axis has ``replicas``.
  init(
    _ choices: PlanChoices, _ shape: LayoutShape, _ request: SearchRequest,
    _ chains: inout ChainTable
  ) throws(ConstraintViolation) {
    self.choices = choices
    self.shape = shape
    context = choices.degree("context")
    groups = try Self.groups(choices, request, &chains)
    let training = request.training
    cost = ClusterCost(
      cluster: request.cluster, precision: training.workload.precision, mesh: choices.mesh,
      placement: [], timings: request.timings, devices: request.devices)
  }

  private static func groups(
    _ choices: PlanChoices, _ request: SearchRequest, _ chains: inout ChainTable
  ) throws(ConstraintViolation) -> [Group] {
    let training = request.training
    let lowered = try chains.layers(try training.openContext(choices))
    let costs = costs(choices.mesh, request)
    return zip(training.groups.layers, lowered).map { group, lowered in
      Group(
        lowered: lowered, routes: costs.map { cost in lowered.axes.map { cost.route(over: $0) } },
        segments: group.places.map(\.segment),
        classes: group.places.map { training.block($0).graph.blockClass },
        areLast: group.places.map { $0.block + 1 == training.segments[$0.segment].blocks.count })
    }
  }

  /// The costs of `mesh` in every way in which its axes may lie over nodes, whatever else shares these: as
  /// many replicas as a node has devices fill what is left of it.
  private static func costs(_ mesh: Mesh, _ request: SearchRequest) -> [ClusterCost] {
    let perNode = request.cluster.devicesPerNode
    let own = mesh.axes.filter { $0.name != "data" }
    // A mesh of one device has no axis.
    let whole = Mesh([MeshAxis("data", max(perNode, replicas))] + own)
    var known: Set<[AxisPlacement]> = []
    return Placement.all(whole, perNode: perNode).compactMap { placement in
      guard known.insert(placement.filter { $0.axis != "data" }).inserted else { return nil }
      return ClusterCost(
        cluster: request.cluster, precision: request.training.workload.precision, mesh: whole,
        placement: placement, timings: request.timings, devices: request.devices)
    }
  }

  /// What layers hold of a micro-batch of `size` at least where everything is gathered again.
  mutating func leanMemory(
    _ size: Int, _ request: SearchRequest, _ chains: inout ChainTable
  ) -> LayerMemory {
    if let found = knownLean[size] { return found }
    if lean == nil { lean = leanGroups(request, &chains) }
    var memory = Self.least(segments(lean ?? groups, size, request.training).map { $0?.memory })
    // Loops over panels may hold less.
    memory.transient = 0
    knownLean[size] = memory
    return memory
  }

  private func leanGroups(_ request: SearchRequest, _ chains: inout ChainTable) -> [Group] {
    var again = choices
    let lowered = groups.map(\.lowered)
    if request.pins.gathersInputs == nil, lowered.contains(where: \.keepsGatheredInputs) {
      again.gathersInputs = .again
    }
    if request.pins.gathersWeights == nil, lowered.contains(where: \.keepsGatheredWeights) {
      again.gathersWeights = .again
    }
    if again == choices { return groups }
    return (try? Self.groups(again, request, &chains)) ?? groups
  }

  /// Whether micro-batches of `size` divide as its tables split them.
  func divides(_ size: Int) -> Bool {
    groups.allSatisfy { Self.replicas * size % $0.lowered.unit == 0 }
  }

  /// Why micro-batches of `size` do not divide on the mesh of `split`.
  func indivisible(_ size: Int, _ split: DeviceSplit) -> ConstraintViolation {
    let mesh = Mesh(split.outerAxes + choices.mesh.axes.filter { !split.isOuter($0) })
    let lowered = groups.map(\.lowered)
    let axes = (lowered.indivisibleSplit(of: Self.replicas * size) ?? [])
      .flatMap { axis -> [AxisReference] in
        let name = choices.mesh.axes[axis.axis].name
        guard name != "data", var own = mesh.axis(name) else { return mesh.whole(name) }
        (own.preSize, own.size) = (axis.preSize, axis.size)
        return [own]
      }
    return .indivisible(.batch, size: split.data * size, by: axes, in: mesh)
  }

  /// What the layers take and hold at least of a micro-batch of `size`, which divides.
  mutating func bounds(_ size: Int, _ training: TrainingGraph) -> Bounds {
    if let found = known[size] { return found }
    let own = segments(groups, size, training)
    var layers: [LayerBound] = []
    for placement in groups.first?.routes.indices ?? 0..<1 {
      var bound = LayerBound()
      for (segment, times) in zip(training.segments, own) {
        if let times { bound.add(times.times[placement], layers: segment.count) }
      }
      guard !layers.contains(where: { $0.isLeast(bound) }) else { continue }
      layers.removeAll { bound.isLeast($0) }
      layers.append(bound)
    }
    let bounds = Bounds(layers: layers, memory: Self.least(own.map { $0?.memory }))
    known[size] = bounds
    return bounds
  }

  private static func least(_ segments: [LayerMemory?]) -> LayerMemory {
    let own = segments.compactMap(\.self)
    return own.dropFirst().reduce(own.first ?? LayerMemory()) { $0.least($1) }
  }

  /// One layer of each segment that has any.
  private func segments(
    _ groups: [Group], _ size: Int, _ training: TrainingGraph
  ) -> [(times: [LayerTimes], memory: LayerMemory)?] {
    var result = [(times: [LayerTimes], memory: LayerMemory)?](
      repeating: nil, count: training.segments.count)
    for group in groups {
      let units = Self.replicas * size / group.lowered.unit
      for (index, profile) in group.lowered.profiles.enumerated() {
        let own = profile.least(units, cost, group.routes, isLast: group.areLast[index])
        let segment = group.segments[index]
        guard var sum = result[segment] else {
          result[segment] = own
          continue
        }
        sum.times = zip(sum.times, own.times).map { $0 + $1 }
        sum.memory.add(own.memory)
        result[segment] = sum
      }
    }
    return result
  }

  /// What the blocks of each class take at least of a micro-batch of `size`, in all layers, devices numbered
  /// as the mesh numbers them: so they are in mixtures.
  func leastOfClasses(_ size: Int, _ training: TrainingGraph) -> [BlockClass: Picoseconds] {
    var times: [BlockClass: Picoseconds] = [:]
    for group in groups {
      let units = Self.replicas * size / group.lowered.unit
      for (index, profile) in group.lowered.profiles.enumerated() {
        let own = profile.least(units, cost, Array(group.routes.prefix(1)), isLast: false).times
        times[group.classes[index], default: .zero] +=
          (own.first?.passes.all ?? .zero) * training.segments[group.segments[index]].count
      }
    }
    return times
  }
}

extension SearchRequest {
  /// What the head's products of a micro-batch take at least on the devices of one stage; nothing where
  /// products have measured times.
  func leastHead(_ split: DeviceSplit, _ microBatch: Int) -> Picoseconds {
    guard timings.isEmpty, training.model.has(.head) else { return .zero }
    let sizes = training.sizes
    let tokens = Double(split.data * microBatch * training.workload.sequence)
    let flops = 6 * Double(sizes[.hidden] * sizes[.vocabulary]) * tokens
    let fastest = cluster.device.fastestProducts(training.workload.precision)
    let stageDevices = Double(split.data * split.context * split.tensor)
    let seconds = flops / (fastest * stageDevices)
    return Picoseconds(seconds: seconds * 0.999 * cluster.contention(among: devices))
  }
}
