import PlanIR

/// The layers on one tensor mesh and context axis, for any number of replicas and stages: what bounds all
/// candidates that have them.
struct LayerPoint {
  /// Everything kept and gathered whole unless pinned, nothing sharded over data.
  let choices: PlanChoices
  let shape: LayoutShape
  let context: Int
  /// The ways to spread it over replicas and stages.
  private(set) var splits: [DeviceSplit] = []
  private(set) var groups: [Group]
  /// The same in loops over panels, where nobody knows that these take longer: products have measured times.
  private(set) var panelled: [Group] = []
  private let mayStep: Bool
  /// Groups that are not lowered yet: the bounds of a point without them hold, too.
  private var pending: [BlockGroup] = []
  /// All of its blocks.
  private(set) var blocks: [BlockGroup]
  /// Why it cannot be, seen when the rest of it was lowered.
  private(set) var refusal: ConstraintViolation?
  /// The same gathering again what may be, of all forms that which keeps least; lowered where asked for.
  var lean: [Group]?
  let cost: ClusterCost
  /// Those of its mesh in every way in which its axes may lie over nodes.
  let costs: [ClusterCost]
  /// By number of replicas, of each placement.
  var knownReplicas: [Int: [ReplicaTimes]] = [:]
  /// By size of micro-batch.
  private var known: [Int: [BlockPasses?]] = [:]
  private var knownLayers: [Int: [LayerBound]] = [:]

  var knownLean: [Int: LayerMemory] = [:]
  /// What embedding and head compute at least, by size of micro-batch.
  var knownEnds: [Int: EndShapes.Times] = [:]
  /// What they take with what they send, by size of micro-batch.
  var knownParts: [Int: StageParts] = [:]
  var endForms: [Ends]?
  /// Its layers in other forms, nil of those in which they cannot be, and what they take by size of micro-batch.
  var gathered: [GatherForm: [Group]?] = [:]
  var knownGathered: [GatherForm: [Int: [BlockPasses?]]] = [:]
  private var forms: [Form: Result<Lowered, ConstraintViolation>] = [:]

  /// In what layers of a node may differ from those of the point.
  private struct Form: Hashable {
    let weightsOver: [String]
    let zero: Int
    let gathersInputs, gathersWeights: GatherChoice
    let matmul: MatmulSchedule
    let hasReplicas: Bool
  }

  /// Layers on a mesh that others share but for the sizes of outer axes.
  private struct Lowered {
    let mesh: Mesh
    let sizes: DimensionSizes
    let groups: [LoweredGroup]
  }

  /// What layers take of a micro-batch at least, where the axes of its mesh lie in one way or another over
  /// nodes, with what replicas exchange there, and hold at least.
  struct Bounds {
    var layers: [(layer: LayerBound, replicas: ReplicaTimes)]
    var memory: LayerMemory
  }

  struct Group {
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

  /// The layers of `choices`, whose data axis has ``replicas``; those of attention, which there are most kinds
  /// of, when they are asked for.
  init(
    _ choices: PlanChoices, _ shape: LayoutShape, _ splits: [DeviceSplit],
    _ space: CandidateSpace, _ chains: inout ChainTable
  ) throws(ConstraintViolation) {
    let training = space.request.training
    let all = training.groups.layers
    let first = training.groupsBesideAttention
    try self.init(choices, shape, of: first, space, &chains)
    self.splits = splits
    blocks = all
    pending = all.filter { !first.contains($0) }
  }

  /// Some groups of blocks of its layers alone.
  init(
    _ choices: PlanChoices, _ shape: LayoutShape, of blocks: [BlockGroup],
    _ space: CandidateSpace, _ chains: inout ChainTable
  ) throws(ConstraintViolation) {
    (self.choices, self.shape, self.blocks) = (choices, shape, blocks)
    context = choices.degree("context")
    let training = space.request.training
    let costs = Self.costs(choices.mesh, space.rates)
    groups = try Self.groups(blocks, choices, costs, training, &chains)
    self.costs = costs
    mayStep = !space.request.timings.isEmpty && space.mayStep(choices, shape)
    if mayStep { panelled = Self.panels(blocks, choices, costs, training, &chains) }
    cost = ClusterCost(space.rates, mesh: choices.mesh, placement: [])
  }

  /// Devices beside replicas over which its weights may be sharded at most.
  var copies: Int {
    let layout = try? LayoutCatalog.layout(choices.layout)
    return (layout?.copyAxes ?? []).reduce(1) { $0 * choices.degree($1) }
  }

  /// Whether loops over panels may take less than products gathered whole.
  var mayBePanelled: Bool { !panelled.isEmpty && panelled.count == groups.count }

  /// Whether all of its layers are lowered.
  var isWhole: Bool { pending.isEmpty }

  /// Lowers the rest.
  mutating func complete(_ request: SearchRequest, _ chains: inout ChainTable) {
    guard !isWhole else { return }
    let own = pending
    (pending, knownReplicas, knownLayers) = ([], [:], [:])
    do throws(ConstraintViolation) {
      let rest = try Self.groups(own, choices, costs, request.training, &chains)
      groups += rest
      if mayStep {
        panelled += Self.panels(own, choices, costs, request.training, &chains)
      }
      add(rest, request.training)
    } catch {
      refusal = error
    }
  }

  /// Adds what `rest` takes to what is known of the other groups.
  private mutating func add(_ rest: [Group], _ training: TrainingGraph) {
    if mayStep { return known = [:] }
    for (size, own) in known where divides(size) {
      known[size] = zip(own, segments(rest, size, training)).map { own, more in
        own.map { own in more.map { own + $0 } ?? own } ?? more
      }
    }
  }

  /// `own` in loops over panels; none where they cannot be.
  private static func panels(
    _ own: [BlockGroup], _ choices: PlanChoices, _ costs: [ClusterCost],
    _ training: TrainingGraph, _ chains: inout ChainTable
  ) -> [Group] {
    var stepped = choices
    stepped.matmul = .stepped
    return (try? groups(own, stepped, costs, training, &chains)) ?? []
  }

  static func groups(
    _ own: [BlockGroup], _ choices: PlanChoices, _ costs: [ClusterCost],
    _ training: TrainingGraph, _ chains: inout ChainTable
  ) throws(ConstraintViolation) -> [Group] {
    let lowered = try chains.lowered(own, try training.openContext(choices))
    return zip(own, lowered).map { group, lowered in
      Group(
        lowered: lowered, routes: costs.map { cost in lowered.axes.map { cost.route(over: $0) } },
        segments: group.places.map(\.segment),
        classes: group.places.map { training.block($0).graph.blockClass },
        areLast: group.places.map { $0.block + 1 == training.segments[$0.segment].blocks.count })
    }
  }

  /// The costs of `mesh` in every way in which its axes may lie over nodes, whatever else shares these: as
  /// many replicas as a node has devices fill what is left of it.
  private static func costs(_ mesh: Mesh, _ rates: ClusterRates) -> [ClusterCost] {
    let perNode = rates.cluster.devicesPerNode
    let own = mesh.axes.filter { $0.name != "data" }
    // A mesh of one device has no axis.
    let whole = Mesh([MeshAxis("data", max(perNode, replicas))] + own)
    var known: Set<[AxisPlacement]> = []
    return Placement.all(whole, perNode: perNode).compactMap { placement in
      guard known.insert(placement.filter { $0.axis != "data" }).inserted else { return nil }
      return ClusterCost(rates, mesh: whole, placement: placement)
    }
  }

  /// The layers of a node's `choices`, lowered once for all numbers of replicas and stages.
  mutating func layers(
    _ choices: PlanChoices, _ training: TrainingGraph, _ chains: inout ChainTable
  ) throws(ConstraintViolation) -> [LoweredGroup] {
    let form = Form(
      weightsOver: choices.weightsOver, zero: choices.zero, gathersInputs: choices.gathersInputs,
      gathersWeights: choices.gathersWeights, matmul: choices.matmul,
      hasReplicas: choices.degree("data") > 1)
    let known = forms[form] ?? lower(form, training, &chains)
    forms[form] = known
    let lowered = try known.get()
    var groups: [LoweredGroup] = []
    for group in lowered.groups {
      guard let own = try group.moved(from: lowered.mesh, to: choices.mesh, lowered.sizes) else {
        return try chains.layers(try training.openContext(choices))
      }
      groups.append(own)
    }
    return groups
  }

  private func lower(
    _ form: Form, _ training: TrainingGraph, _ chains: inout ChainTable
  ) -> Result<Lowered, ConstraintViolation> {
    var choices = choices
    if !form.hasReplicas { choices.mesh = Mesh(choices.mesh.axes.filter { $0.name != "data" }) }
    (choices.weightsOver, choices.zero) = (form.weightsOver, form.zero)
    choices.gathersInputs = form.gathersInputs
    choices.gathersWeights = form.gathersWeights
    choices.matmul = form.matmul
    do throws(ConstraintViolation) {
      let context = try training.openContext(choices)
      return .success(
        Lowered(mesh: choices.mesh, sizes: context.sizes, groups: try chains.layers(context)))
    } catch {
      return .failure(error)
    }
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

  /// What a step takes at least in micro-batches of one of `sizes`, picoseconds, where the layers are spread
  /// evenly over as many `devices` for each of the point's, which do nothing else; 0 where no size divides.
  mutating func leastStep(_ sizes: [Int], devices: Int, _ request: SearchRequest) -> Int {
    let training = request.training
    var least = Double.infinity
    for size in sizes where divides(size) {
      let own = passes(size, training)
      for place in 0..<(own.lazy.compactMap { $0?.times.count }.first ?? 0) {
        let each = zip(training.segments, own).reduce(0.0) { sum, own in
          let (segment, passes) = own
          return sum + Double((passes?.times[place].passes.all ?? .zero).count * segment.count)
        }
        least = min(least, each / Double(size))
      }
    }
    guard least.isFinite else { return 0 }
    // Less than it is by more than rounding makes.
    return Int(least * Double(training.workload.globalBatch) / Double(devices) * (1 - 1e-9))
  }

  /// What the layers take and hold at least of a micro-batch of `size`, which divides, beside as many
  /// replicas.
  mutating func bounds(_ size: Int, replicas: Int, _ request: SearchRequest) -> Bounds {
    bounds(passes(size, request.training), replicas: replicas, request)
  }

  /// What the layers take at least of a micro-batch of `size`, which divides, whatever replicas exchange.
  mutating func layerBounds(_ size: Int, _ training: TrainingGraph) -> [LayerBound] {
    if let found = knownLayers[size] { return found }
    let own = passes(size, training)
    var layers: [LayerBound] = []
    for place in 0..<(own.lazy.compactMap { $0?.times.count }.first ?? 0) {
      let bound = Self.bound(own, place, training)
      guard !layers.contains(where: { $0.isLeast(bound) }) else { continue }
      layers.removeAll { bound.isLeast($0) }
      layers.append(bound)
    }
    knownLayers[size] = layers
    return layers
  }

  /// All layers of segments that take `own`, under a placement.
  private static func bound(
    _ own: [BlockPasses?], _ place: Int, _ training: TrainingGraph
  ) -> LayerBound {
    var bound = LayerBound()
    for (segment, times) in zip(training.segments, own) {
      if let times { bound.add(times.times[place], layers: segment.count) }
    }
    return bound
  }

  /// The same of layers that take `own`.
  mutating func bounds(
    _ own: [BlockPasses?], replicas: Int, _ request: SearchRequest
  ) -> Bounds {
    let training = request.training
    var layers: [(layer: LayerBound, replicas: ReplicaTimes)] = []
    let replicas = replicaTimes(replicas, request)
    for place in 0..<(own.lazy.compactMap { $0?.times.count }.first ?? 0) {
      let replicas = replicas[place % costs.count]
      let bound = Self.bound(own, place, training)
      guard !layers.contains(where: { $0.layer.isLeast(bound) && $0.replicas.isLeast(replicas) })
      else { continue }
      layers.removeAll { bound.isLeast($0.layer) && replicas.isLeast($0.replicas) }
      layers.append((bound, replicas))
    }
    return Bounds(layers: layers, memory: Self.least(own.map { $0?.memory }))
  }

  private mutating func passes(_ size: Int, _ training: TrainingGraph) -> [BlockPasses?] {
    if let found = known[size] { return found }
    let made = formed(size, training)
    known[size] = made
    return made
  }

  /// One layer of each segment: under every placement, then, where that is not known to take longer, in loops
  /// over panels under every placement.
  private func formed(_ size: Int, _ training: TrainingGraph) -> [BlockPasses?] {
    var own = segments(groups, size, training)
    guard mayBePanelled else { return own }
    for (index, stepped) in segments(panelled, size, training).enumerated() {
      own[index]?.times += stepped?.times ?? []
    }
    return own
  }

  static func least(_ segments: [LayerMemory?]) -> LayerMemory {
    let own = segments.compactMap(\.self)
    return own.dropFirst().reduce(own.first ?? LayerMemory()) { $0.least($1) }
  }

  /// One layer of each segment that has any.
  func segments(
    _ groups: [Group], _ size: Int, _ training: TrainingGraph
  ) -> [BlockPasses?] {
    var result = [BlockPasses?](repeating: nil, count: training.segments.count)
    for group in groups {
      let units = Self.replicas * size / group.lowered.unit
      for (index, profile) in group.lowered.profiles.enumerated() {
        let own = profile.passes(
          units, cost, group.routes, isLast: group.areLast[index], isShared: true)
        let segment = group.segments[index]
        result[segment] = result[segment].map { $0 + own } ?? own
      }
    }
    return result
  }
}

extension TrainingGraph {
  /// The groups of layers without attention, where every kind of layer has blocks in one; else all.
  fileprivate var groupsBesideAttention: [BlockGroup] {
    let others = groups.layers.filter { group in
      !group.places.contains { block($0).graph.blockClass == .attention }
    }
    let segments = Set(groups.layers.flatMap { $0.places.map(\.segment) })
    return Set(others.flatMap { $0.places.map(\.segment) }) == segments ? others : groups.layers
  }
}
