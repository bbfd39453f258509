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
  /// What it shares with others, and what is its own.
  let trunk: LayerTrunk
  private var rest: [LayerGroup] = []
  /// Its own in loops over panels, where nobody knows that these take longer: products have measured times.
  private var panelledRest: [LayerGroup] = []
  private let mayStep: Bool
  /// What groups that are not lowered take and hold at least.
  private let floor: LayerFloor
  /// Groups that are not lowered yet: the bounds of a point without them hold, too.
  private var pending: [BlockGroup] = []
  /// All of its blocks, in the order of its groups.
  private(set) var blocks: [BlockGroup]
  /// Why it cannot be, seen when the rest of it was lowered.
  private(set) var refusal: ConstraintViolation?
  /// The same gathering again what may be, of all forms that which keeps least; lowered where asked for.
  var lean: [LayerGroup]?
  let costs: MeshCosts
  /// What replicas exchange of the blocks of each segment by their places, by placement.
  var knownReplicas: [ReplicaKey: [[[Int: ReplicaTimes]]]] = [:]
  /// By size of micro-batch.
  private var known: [Int: [BlockPasses?]] = [:]
  private var knownLayers: [Int: [LayerBound]] = [:]
  private var knownStored: MemoryUse?
  /// Bytes of gradients that replicas exchange of one layer at least, once known.
  var knownExchanged: Int?
  /// By axes over which weights are sharded.
  var knownKept: [[String]: Int] = [:]

  var knownLean: [Int: LayerMemory] = [:]
  /// Whether anything of its nodes gathers again, or loops over panels, what others keep and gather whole.
  var knownLeaner: Bool?
  /// Its layers in other forms, nil of those in which they cannot be, and what they take by size of micro-batch.
  var gathered: [GatherForm: [LayerGroup]?] = [:]
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
    var layers: [LayerBlocks]
    var memory: LayerMemory
  }

  /// Replicas that layers are lowered for: what they compute and send for a micro-batch does not depend
  /// on how many there are.
  static let replicas = 2

  /// The layers of `choices`, whose data axis has ``replicas``; those of attention, which there are most kinds
  /// of, when they are asked for.
  init(
    _ choices: PlanChoices, _ shape: LayoutShape, _ splits: [DeviceSplit],
    _ space: CandidateSpace, _ trunks: inout TrunkTable, _ chains: inout ChainTable
  ) throws(ConstraintViolation) {
    let training = space.request.training
    try self.init(
      choices, shape, of: training.groupsBesideAttention, space, &trunks, &chains)
    self.splits = splits
    pending = training.groupsOfAttention
    blocks += pending
  }

  /// Some groups of blocks of its layers alone.
  init(
    _ choices: PlanChoices, _ shape: LayoutShape, of blocks: [BlockGroup],
    _ space: CandidateSpace, _ trunks: inout TrunkTable, _ chains: inout ChainTable
  ) throws(ConstraintViolation) {
    (self.choices, self.shape, self.blocks) = (choices, shape, blocks)
    context = choices.degree("context")
    mayStep = !space.request.timings.isEmpty && space.mayStep(choices, shape)
    floor = space.attention
    trunk = try trunks.trunk(choices, blocks, mayStep: mayStep, space.rates, &chains)
    costs = trunk.costs
  }

  /// Its groups, as far as they are lowered.
  var groups: [LayerGroup] { trunk.groups + rest }

  /// The same in loops over panels.
  var panelled: [LayerGroup] { trunk.panelled + panelledRest }

  /// Devices numbered as the mesh numbers them.
  var cost: ClusterCost { costs.asNumbered }

  /// Devices beside replicas over which its weights may be sharded at most.
  var copies: Int {
    let layout = try? LayoutCatalog.layout(choices.layout)
    return (layout?.copyAxes ?? []).reduce(1) { $0 * choices.degree($1) }
  }

  /// Whether loops over panels may take less than products gathered whole.
  var mayBePanelled: Bool {
    mayStep && !panelled.isEmpty && panelled.count == groups.count
  }

  /// Whether all of its layers are lowered.
  var isWhole: Bool { pending.isEmpty }

  /// Whether it is no more than what it shares with others.
  var isTrunk: Bool { rest.isEmpty }

  /// Lowers the rest.
  mutating func complete(_ request: SearchRequest, _ chains: inout ChainTable) {
    guard !isWhole else { return }
    let own = pending
    (pending, known, knownReplicas, knownLayers) = ([], [:], [:], [:])
    (knownStored, knownExchanged, knownKept) = (nil, nil, [:])
    do throws(ConstraintViolation) {
      rest = try costs.groups(own, choices, &chains)
      if mayStep { panelledRest = costs.panels(own, choices, &chains) }
    } catch {
      refusal = error
    }
  }

  /// Forgets what its layers take of a micro-batch: most points are never opened.
  mutating func forgetPasses() {
    (known, knownLayers) = ([:], [:])
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
  func divides(_ size: Int) -> Bool { trunk.groups.divide(size) && rest.divide(size) }

  /// Its choices on the mesh of `split`.
  func choices(on split: DeviceSplit) -> PlanChoices {
    var own = choices
    own.mesh = Mesh(split.outerAxes + choices.mesh.axes.filter { !split.isOuter($0) })
    return own
  }

  /// Why micro-batches of `size` do not divide on the mesh of `split`.
  func indivisible(_ size: Int, _ split: DeviceSplit) -> ConstraintViolation {
    let mesh = choices(on: split).mesh
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

  /// What the layers take and hold at least of a micro-batch of `size`, which divides, beside as many
  /// replicas; what these exchange is told for each set of axes over which weights may be sharded where `sharing`.
  mutating func bounds(
    _ size: Int, replicas: Int, sharing: Bool, _ request: SearchRequest
  ) -> Bounds {
    bounds(passes(size, request.training), replicas: replicas, sharing: sharing, request)
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
    _ own: [BlockPasses?], replicas: Int, sharing: Bool, _ request: SearchRequest
  ) -> Bounds {
    let training = request.training
    let replicas = replicaTimes(ReplicaKey(count: replicas, sharing: sharing), request)
    var layers: [LayerBlocks] = []
    for place in 0..<(own.lazy.compactMap { $0?.times.count }.first ?? 0) {
      let replicas = replicas[place % costs.all.count]
      var blocks = LayerBlocks()
      for (index, (segment, passes)) in zip(training.segments, own).enumerated() {
        guard let passes else { continue }
        blocks.add(
          passes.blocks, place, replicas.isEmpty ? [:] : replicas[index], layers: segment.count)
      }
      guard !layers.contains(where: { $0.isLeast(blocks) }) else { continue }
      layers.removeAll { blocks.isLeast($0) }
      layers.append(blocks)
    }
    return Bounds(layers: layers, memory: Self.least(own.map { $0?.memory }))
  }

  /// What parameters of one layer take at least, those of its groups that are lowered; `size` divides.
  mutating func stored(_ size: Int, _ training: TrainingGraph) -> MemoryUse {
    if let knownStored { return knownStored }
    let own = passes(size, training).compactMap { $0?.memory.stored }
    let least = own.dropFirst().reduce(own.first ?? MemoryUse()) { $0.least($1) }
    knownStored = least
    return least
  }

  /// The same alone.
  mutating func parameters(_ size: Int, _ training: TrainingGraph) -> LayerMemory {
    var memory = LayerMemory()
    memory.stored = stored(size, training)
    return memory
  }

  private mutating func passes(_ size: Int, _ training: TrainingGraph) -> [BlockPasses?] {
    if let found = known[size] { return found }
    let made = formed(size, training)
    known[size] = made
    return made
  }

  private func formed(_ size: Int, _ training: TrainingGraph) -> [BlockPasses?] {
    if !pending.isEmpty {
      return floor.added(
        to: trunk.passes(size, training), size: size, tensor: shape.devices, context: context)
    }
    if rest.isEmpty { return trunk.passes(size, training) }
    if mayStep { return groups.passes(panelled, size, cost, training) }
    return zip(trunk.passes(size, training), rest.passes(size, cost, training)).map { own, more in
      own.map { own in more.map { own + $0 } ?? own } ?? more
    }
  }

  static func least(_ segments: [LayerMemory?]) -> LayerMemory {
    let own = segments.compactMap(\.self)
    return own.dropFirst().reduce(own.first ?? LayerMemory()) { $0.least($1) }
  }
}

extension TrainingGraph {
  /// The groups of layers without attention, where every kind of layer has blocks in one; else all.
  var groupsBesideAttention: [BlockGroup] {
    let others = groups.layers.filter { !hasAttention($0) }
    let segments = Set(groups.layers.flatMap { $0.places.map(\.segment) })
    return Set(others.flatMap { $0.places.map(\.segment) }) == segments ? others : groups.layers
  }

  /// The others.
  var groupsOfAttention: [BlockGroup] {
    let first = groupsBesideAttention
    return groups.layers.filter { !first.contains($0) }
  }

  /// Whether `group` has a block of attention.
  func hasAttention(_ group: BlockGroup) -> Bool {
    group.places.contains { block($0).graph.blockClass == .attention }
  }
}
