import PlanIR

/// The candidates that the pins leave, in a fixed order: how devices are split, the shapes of the tensor
/// mesh, and what varies on each.
///
/// Where points coincide they are one, named as pinned: shapes that are another layout's, sequence
/// parallelism that splits nothing, key/value heads that are never copied, weights sharded over axes
/// of one. What is gathered again, tables, placement and layers of stages are left to ``PlanSearch``.
struct CandidateSpace {
  private(set) var request: SearchRequest
  private var distinct = DistinctList<ConstraintViolation>()

  /// What bounds of all candidates follow from: of networks as no plan meets faster ones.
  let rates: ClusterRates
  /// What their ends take at least.
  let ends: EndsBound
  /// What attention takes and holds at least.
  let attention: LayerFloor
  /// Schedules of several stages that the pins leave.
  private(set) var schedules: [PipelineSchedule]

  init(_ request: SearchRequest) {
    self.request = request
    rates = ClusterRates(
      request.cluster.relaxed(for: request.devices), request.training.workload.precision,
      request.timings, devices: request.devices)
    ends = EndsBound(request, rates)
    attention = LayerFloor(request, rates)
    schedules = Self.schedules(request.pins)
  }

  /// The same of what `pins` leave.
  func pinned(_ pins: Pins) -> CandidateSpace {
    var other = self
    other.request.pins = pins
    other.schedules = Self.schedules(pins)
    return other
  }

  /// What their devices share.
  var cores: SharedCores { SharedCores(contention: rates.contention) }

  var pins: Pins { request.pins }
  var training: TrainingGraph { request.training }

  /// Why some of what is pinned, or all of it, leaves nothing, each once.
  var violations: [ConstraintViolation] { distinct.all }

  /// Asks for as many devices instead, of which rates and ends do not tell.
  mutating func take(devices: Int) { request.devices = devices }

  // MARK: - Devices

  /// The ways to split the devices; none where the pins contradict each other or nothing divides, of
  /// which ``violations`` then tells.
  mutating func splits() -> [DeviceSplit] {
    distinct.add(PinRules.unbuilt(pins))
    distinct.add(PinRules.unsearched(request))
    if pins.recompute == .selective && training.workload.attention == .fused {
      distinct.add(.selectiveOfFused)
    }
    if let violation = tooFewLayers() { distinct.add(violation) }
    guard violations.isEmpty, pinsMultiply() else { return [] }
    var result: [DeviceSplit] = []
    for stages in stageCounts where request.devices % stages == 0 {
      for context in contexts where request.devices / stages % context == 0 {
        let devices = request.devices / stages / context
        for tensor in divisors(of: devices) where pins.tensor.map({ $0 == tensor }) ?? true {
          let split = DeviceSplit(
            data: devices / tensor, stages: stages, context: context, tensor: tensor)
          guard pins.data.map({ $0 == split.data }) ?? true,
            split.data != pins.exclusions.data, hasMicroBatches(split),
            !shapes(tensor: tensor).isEmpty
          else { continue }
          result.append(split)
        }
      }
    }
    if result.isEmpty && violations.isEmpty { distinct.add(nothingDivides()) }
    return result
  }

  /// Whether plans have one stage and no context axis unless pinned: mixtures and written shardings.
  var isFlat: Bool { pins.layout == .mixed || training.isAnnotated }

  /// Numbers of pipeline stages: as pinned, or any that leaves a layer to each but the first and the
  /// last; more than one where a schedule is pinned.
  var stageCounts: [Int] {
    let most = (training.layers + 2) / fewestChunks
    if let pinned = pins.pipeline { return pinned <= max(1, most) ? [pinned] : [] }
    if isFlat && !wantsStages { return [1] }
    return divisors(of: request.devices).filter {
      $0 <= most && ($0 > 1 || !wantsStages) && $0 != pins.exclusions.pipeline
    }
  }

  var wantsStages: Bool {
    (pins.schedule ?? .none) != .none || (pins.interleave ?? 1) > 1
      || pins.exclusions.schedule != nil
  }

  /// Chunks of a stage at least, as pinned.
  private var fewestChunks: Int { pins.interleave ?? (pins.schedule == .interleaved ? 2 : 1) }

  /// More stages, or chunks of them, than layers can fill, pinned or the fewest that divide.
  private func tooFewLayers() -> ConstraintViolation? {
    let fewest = pins.pipeline ?? divisors(of: request.devices).first { $0 > 1 }
    guard pins.pipeline ?? 1 > 1 || wantsStages, let fewest else { return nil }
    do throws(ConstraintViolation) {
      try StageMap.check(layers: training.layers, stages: fewest, chunks: fewestChunks)
      return nil
    } catch {
      return error
    }
  }

  var contexts: [Int] {
    pins.context.map { [$0] }
      ?? (isFlat ? [1] : divisors(of: request.devices)).filter { $0 != pins.exclusions.context }
  }

  private mutating func pinsMultiply() -> Bool {
    let mesh = pins.mesh?.reduce(1, *)
    let known = [pins.tensor ?? mesh, pins.data, pins.pipeline, pins.context]
    let isWhole = !known.contains(nil)
    let (tensor, data) = (known[0] ?? 1, known[1] ?? 1)
    let (stages, context) = (known[2] ?? 1, known[3] ?? 1)
    let isPlain = stages == 1 && context == 1
    let degrees = isPlain ? [data, tensor] : [data, stages, context, tensor]
    let product = Self.product(degrees)
    if isWhole ? product == request.devices : product.map({ request.devices % $0 == 0 }) ?? false {
      return true
    }
    distinct.add(
      ConstraintViolation(
        constraint: "data x pipeline x context x tensor mesh = devices",
        found: degrees.map(String.init).joined(separator: " x ")
          + (product.map { " = \($0)" } ?? ", more than any cluster has"),
        needed: isWhole ? "\(request.devices)" : "a divisor of \(request.devices)",
        remedy: isWhole && product.map { $0 <= PlanLimits.devices } ?? false
          ? "--devices \(product ?? 1)" : "other degrees"))
    return false
  }

  /// The product of `degrees`; nil where it is beyond an integer.
  private static func product(_ degrees: [Int]) -> Int? {
    degrees.reduce(1 as Int?) { product, degree in
      product.flatMap {
        let (product, overflow) = $0.multipliedReportingOverflow(by: degree)
        return overflow ? nil : product
      }
    }
  }

  // MARK: - Micro-batches

  /// Sizes of micro-batches that divide the batch, ascending, as pinned.
  func microBatches(data: Int) -> [Int] {
    let batch = training.workload.globalBatch
    guard batch % data == 0 else { return [] }
    return divisors(of: batch / data)
      .filter { size in pins.microBatch.map { $0 == size } ?? (size != pins.exclusions.microBatch) }
  }

  private mutating func hasMicroBatches(_ split: DeviceSplit) -> Bool {
    guard microBatches(data: split.data).isEmpty else { return true }
    let (batch, data) = (training.workload.globalBatch, split.data)
    let violation: ConstraintViolation
    if batch % data == 0 {
      let pinned = pins.microBatch ?? 1
      violation = ConstraintViolation(
        constraint: "global batch = data x micro_batch x micro_batches",
        found: "\(batch) = \(data) x \(pinned) x ?", needed: "\(batch / data) % \(pinned) == 0",
        remedy: "--micro-batch \(nearestDivisor(of: batch / data, to: pinned))")
    } else {
      let below = batch / data * data
      let nearest = below > 0 ? "\(below) or \(below + data)" : "\(data)"
      violation = ConstraintViolation(
        constraint: "global batch divisible by data", found: "\(batch) over data \(data)",
        needed: "\(batch) % \(data) == 0", remedy: "--global-batch \(nearest)")
    }
    distinct.add(violation.ofDimension(.batch, parts: data))
    return false
  }

  private func nearestDivisor(of number: Int, to size: Int) -> Int {
    divisors(of: number).min { abs($0 - size) < abs($1 - size) } ?? 1
  }

  // MARK: - Meshes

  /// The shapes of a tensor mesh of `tensor` devices that the pins leave: of mixtures too, in which
  /// one block's layout may have what another's lacks.
  func shapes(tensor: Int) -> [LayoutShape] {
    if let mesh = pins.mesh, mesh.reduce(1, *) != tensor { return [] }
    let isPinned = pins.layout != nil && pins.layout != .mixed
    // Pinned sequence parallelism is kept where there is nothing to split, too.
    let keepsMegatron = pins.sequenceParallel == true
    return LayoutCatalog.all
      .filter { isPinned ? $0.name == pins.layout : !pins.exclusions.layouts.contains($0.name) }
      .flatMap { LayoutShape.all($0, devices: tensor) }
      .filter { shape in
        let isOwn =
          !shape.coincides || (keepsMegatron && shape.layout == .megatron)
          || ((keepsCopies || pins.zero != 0) && shape.holdsCopies)
        return pins.mesh.map { $0 == shape.degrees } ?? true && (isPinned || isOwn)
      }
  }

  /// Whether copies of a tensor mesh are candidates that data has too: what is pinned of data may leave them alone, and
  /// networks may reach them otherwise. A pinned layout keeps its own name, but where something is to be sharded over data
  /// that there is nothing of.
  private var keepsCopies: Bool { pinsKeepCopies || hasNearNodes }

  /// The same by what is pinned alone.
  private var pinsKeepCopies: Bool {
    let keepsName = pins.layout != nil && pins.layout != .mixed && (pins.zero ?? 0) == 0
    return keepsName || pins.data != nil || pins.tensor != nil || pins.mesh != nil
      || pins.microBatch != nil
  }

  /// Whether devices may be near each other in more ways than to share a node: then it matters which axis comes first.
  private var hasNearNodes: Bool {
    let cluster = request.cluster
    return cluster.levels.contains {
      $0.devices.map { $0 != cluster.devicesPerNode && $0 < request.devices } ?? false
    }
  }

  /// Those of `splits` that `shape` may have: where it copies weights over an axis that data has too, or what is pinned is
  /// to be sharded over data, those with data.
  func splits(_ splits: [DeviceSplit], of shape: LayoutShape) -> [DeviceSplit] {
    let isShared = (pins.zero ?? 0) > 0
    guard shape.replicas > 1, !pinsKeepCopies, isShared || !hasNearNodes else { return splits }
    return splits.filter { $0.data > 1 }
  }

  /// Whether `shard` of a plan with replicas on its tensor mesh is that of another, as these split the batch alone, like
  /// data: of a plan of more data where all copies hold all, or all of them a part; where weights are sharded over the mesh's
  /// replicas, of the plan where these and data change places.
  func coincides(_ shard: ShardedWeights, _ choices: PlanChoices) -> Bool {
    let own = choices.replicaAxes
    guard !own.isEmpty, !keepsCopies else { return false }
    let isWhole = shard.over.isEmpty && shard.zero == 0
    if isWhole || choices.degree("data") == 1 || Set(shard.over) == Set(["data"] + own) {
      return true
    }
    return shard.over == own && shard.zero == 0 && replicasMayBeData
  }

  /// Whether every plan sharded over its mesh's replicas alone has its twin sharded over data: nothing is left out that the
  /// twin has.
  private var replicasMayBeData: Bool {
    let excluded = pins.exclusions
    return pins.zero == nil && excluded.zero == nil && excluded.data == nil
      && excluded.microBatch == nil
  }

  /// The shapes that blocks of a mixture have.
  func mixtureShapes(tensor: Int) -> [LayoutShape] {
    shapes(tensor: tensor).filter { !$0.holdsCopies }
  }

  /// The choices of `shape` under `split`, everything kept and gathered whole unless pinned: with every
  /// form of attention over the context axis, of sequence parallelism and of key/value heads that makes a
  /// difference. Micro-batches, placement, tables and what is sharded over data are not set.
  func variants(_ shape: LayoutShape, _ split: DeviceSplit) -> [PlanChoices] {
    guard let layout = LayoutCatalog.all.first(where: { $0.name == shape.layout }),
      let axes = try? layout.axes(for: shape.degrees)
    else { return [] }
    var choices = PlanChoices(
      layout: shape.layout,
      blocks: Dictionary(uniqueKeysWithValues: BlockClass.allCases.map { ($0, shape.layout) }),
      mesh: Mesh(split.outerAxes + axes), placement: [], sequenceParallel: false,
      gathersInputs: pins.gathersInputs ?? .saved, keyValue: .copied, microBatch: 0,
      microBatches: 0, layers: training.layers)
    choices.gathersWeights = pins.gathersWeights ?? .saved
    guard let matmul = matmuls(layout, shape).first else { return [] }
    choices.matmul = matmul
    if split.stages > 1 && training.isTied { choices.tableGradients = .apart }
    var result: [PlanChoices] = []
    for attention in contextAttentions(split.context) {
      choices.contextAttention = attention
      for (parallel, form) in forms(layout, choices) {
        (choices.sequenceParallel, choices.keyValue) = (parallel, form)
        result.append(choices)
      }
    }
    return result
  }

  /// Devices of the longest rings that are searched unless rings are pinned: beyond, latency is most of a
  /// round's time.
  private static let mostHops = 64

  /// Forms of attention over the context axis: as pinned, a ring beside all-to-all where there is
  /// fused attention over several devices.
  private func contextAttentions(_ context: Int) -> [ContextAttention] {
    if let pinned = pins.contextAttention { return [pinned] }
    let mayBeRing = context > 1 && context <= Self.mostHops && training.hasFusedAttention
    return mayBeRing ? ContextAttention.allCases : [.allToAll]
  }

  /// Sequence parallelism and key/value forms, those left out that change nothing.
  private func forms(
    _ layout: any Layout, _ choices: PlanChoices
  ) -> [(parallel: Bool, form: KeyValueForm)] {
    let probe = LayoutProbe(layout, choices.mesh, training)
    let parallel: [Bool]
    switch pins.sequenceParallel {
    case let pinned?: parallel = !pinned || layout.hasSequenceParallelism ? [pinned] : []
    case nil: parallel = probe.sequenceParallelismSplits ? [false, true] : [false]
    }
    let forms = probe.keyValueHeadsAreCopied ? KeyValueForm.allCases : [.copied]
    return parallel.flatMap { isParallel in forms.map { (isParallel, $0) } }
  }
}

/// How devices are split outside and inside the tensor mesh.
struct DeviceSplit: Hashable {
  var data, stages, context, tensor: Int

  init(data: Int, stages: Int, context: Int, tensor: Int) {
    (self.data, self.stages, self.context, self.tensor) = (data, stages, context, tensor)
  }

  /// That of `choices`.
  init(_ choices: PlanChoices) {
    (data, stages) = (choices.degree("data"), choices.degree("pipeline"))
    context = choices.degree("context")
    tensor = choices.mesh.deviceCount / (data * stages * context)
  }

  var outerAxes: [MeshAxis] {
    [MeshAxis("data", data), MeshAxis("pipeline", stages), MeshAxis("context", context)]
  }
}

extension DeviceSplit {
  /// Whether `axis` is none of the tensor mesh.
  func isOuter(_ axis: MeshAxis) -> Bool { outerAxes.contains { $0.name == axis.name } }
}
