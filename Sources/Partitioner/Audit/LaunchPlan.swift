import PlanIR

/// Turns a launch's configuration into the choices of the plan that the framework carries out: its
/// layout, its order of ranks, what it keeps and what it gathers again.
struct LaunchPlan {
  let configuration: LaunchConfiguration
  let training: TrainingGraph
  let cluster: Cluster
  let devices: Int
  /// Devices of a node as the launch counts them; nil where it does not say.
  let launchedPerNode: Int?

  private var sizes: DimensionSizes { training.sizes }
  private var words: LaunchWords { LaunchWords(configuration.framework) }

  /// Devices that one copy of the model takes.
  private var modelDevices: Int {
    [configuration.tensor, configuration.pipeline, configuration.context]
      .reduce(1) { $0.multipliedReportingOverflow(by: $1).overflow ? Int.max : $0 * $1 }
  }

  /// The choices, or the constraint that the configuration violates.
  func choices() throws(ConstraintViolation) -> PlanChoices {
    try checkDevices()
    let data = devices / modelDevices
    try checkHeads()
    let copies = try copies(data: data)
    let (microBatch, microBatches) = try batches(data: data)
    let isMegatron = configuration.tensor > 1
    // Copies are the replicas on a mesh of nothing else, of which each has a part of the data axis's micro-batch.
    let layout = isMegatron ? LayoutName.megatron : copies > 1 ? Self.copying.name : .data
    let mesh = Mesh([
      MeshAxis("data", data / copies), MeshAxis("pipeline", configuration.pipeline),
      MeshAxis("context", configuration.context), MeshAxis("tensor", configuration.tensor),
      MeshAxis(Self.copyAxis, copies),
    ])
    var choices = PlanChoices(
      layout: layout,
      blocks: Dictionary(uniqueKeysWithValues: BlockClass.allCases.map { ($0, layout) }),
      mesh: mesh, placement: placement(mesh),
      sequenceParallel: isMegatron && configuration.sequenceParallel,
      gathersInputs: isMegatron && configuration.sequenceParallel ? .again : .saved,
      keyValue: .copied, microBatch: microBatch * copies, microBatches: microBatches,
      layers: training.layers)
    if configuration.context > 1 { choices.contextAttention = configuration.contextAttention }
    choices.zero = data > copies ? configuration.zero : 0
    if choices.zero == 3 { (choices.weightsOver, choices.gathersWeights) = (["data"], .again) }
    if configuration.pipeline > 1 && training.isTied { choices.tableGradients = .apart }
    try addStages(to: &choices)
    return choices
  }

  // MARK: - What must divide

  private func checkDevices() throws(ConstraintViolation) {
    let product = modelDevices
    guard devices % product != 0 else { return }
    let below = product == .max ? 0 : devices / product * product
    let parts = [configuration.tensor, configuration.pipeline, configuration.context]
    let nearest = product == .max ? [] : [below, below + product].filter { $0 > 0 }
    throw ConstraintViolation(
      constraint: "devices divisible by tensor x pipeline x context",
      found: "\(devices) over \(parts.map(String.init).joined(separator: " x "))",
      needed: "a multiple of \(product)",
      remedy: nearest.isEmpty
        ? "smaller degrees"
        : "--devices \(nearest.map(String.init).joined(separator: " or ")), or other degrees")
  }

  private func checkHeads() throws(ConstraintViolation) {
    let tensor = configuration.tensor
    let groups = sizes[.keyValueHeads]
    for (name, size) in [("heads", sizes[.heads]), ("key/value heads", groups)]
    where size > 0 && size % tensor != 0 {
      let fits = { (degree: Int) in
        sizes[.heads] % degree == 0 && groups % degree == 0 && devices % degree == 0
      }
      let below = (1...max(min(tensor, size), 1)).last(where: fits) ?? 1
      let above = tensor < size ? (tensor...size).first(where: fits) : nil
      let nearest = [below] + (above.map { [$0] } ?? [])
      throw ConstraintViolation(
        constraint: "\(name) divisible by tensor", found: "\(size) over \(tensor)",
        needed: "\(size) % \(tensor) == 0",
        remedy: "\(words.tensor) \(nearest.map(String.init).joined(separator: " or "))")
    }
  }

  /// The layout that copies are a mesh of, of one row and column, and the axis that they lie on.
  private static let copying = TesseractLayout()
  private static let copyAxis = copying.replicaAxes[0]

  /// Copies of what is sharded over `data` ranks; one where nothing is, or each rank would have one.
  private func copies(data: Int) throws(ConstraintViolation) -> Int {
    guard configuration.zero > 0 else { return 1 }
    let count: Int
    switch configuration.copies {
    case .one: return 1
    case .perNode:
      let perNode = launchedPerNode ?? cluster.devicesPerNode
      if devices <= perNode { return 1 }
      guard devices % perNode == 0 else {
        throw ConstraintViolation(
          constraint: "devices divisible by those of a node, each with a copy of what it shards",
          found: "\(devices) over nodes of \(perNode)", needed: "a multiple of \(perNode)",
          remedy: "--devices \(devices / perNode * perNode)")
      }
      count = devices / perNode
    case .count(let given): count = given
    }
    guard configuration.tensor == 1 else {
      throw ConstraintViolation(
        constraint: "copies of shards beside a tensor degree are not built in this version",
        found: "\(count) copies, tensor degree \(configuration.tensor)",
        needed: "a tensor degree of 1, or one copy",
        remedy: "\(words.tensor) 1, or sharding over all data ranks")
    }
    guard data % count == 0 else {
      throw ConstraintViolation(
        constraint: "data ranks divisible by the copies of what they shard",
        found: "\(data) over \(count)", needed: "\(data) % \(count) == 0",
        remedy: "\(divisors(of: data).last { $0 <= count } ?? 1) copies")
    }
    return count == data ? 1 : count
  }

  private func batches(data: Int) throws(ConstraintViolation) -> (Int, Int) {
    let global = training.workload.globalBatch
    guard let microBatch = configuration.microBatch else {
      throw ConstraintViolation(
        constraint: "a micro-batch", found: "none", needed: "sequences of one data rank at a time",
        remedy: words.microBatch)
    }
    let (unit, overflow) = data.multipliedReportingOverflow(by: microBatch)
    guard !overflow, global % unit == 0 else {
      let nearest = overflow ? [] : [global / unit * unit, (global / unit + 1) * unit]
      let text = nearest.filter { $0 > 0 }.map(String.init).joined(separator: " or ")
      let size = global % data == 0 ? divisors(of: global / data).last { $0 <= microBatch } : nil
      throw ConstraintViolation(
        constraint: "global batch divisible by micro-batch x data",
        found: "\(global) over \(microBatch) x \(data)",
        needed: overflow ? "a smaller micro-batch" : "a multiple of \(unit)",
        remedy: "\(words.globalBatch) \(text)"
          + (size.map { ", or \(words.microBatch) \($0)" } ?? ""))
    }
    return (microBatch, global / unit)
  }

  // MARK: - Placement

  /// Ranks as the framework numbers them: tensor innermost, then context, data, copies, stages; or stages
  /// before data. As many share a node as the launch counts, where the cluster's have room for them.
  private func placement(_ mesh: Mesh) -> [AxisPlacement] {
    let replicas = ["data", Self.copyAxis]
    let outer = configuration.stagesBeforeData ? ["pipeline"] + replicas : replicas + ["pipeline"]
    let order = ["tensor", "context"] + outer
    let possible = Placement.all(mesh, perNode: cluster.devicesPerNode)
    func inside(_ placement: [AxisPlacement]) -> [Int] {
      order.map { name in placement.first { $0.axis == name }?.insideNode ?? 1 }
    }
    let launched = possible.filter {
      inside($0).reduce(1, *) == launchedPerNode
    }
    return (launched.isEmpty ? possible : launched).max {
      inside($0).lexicographicallyPrecedes(inside($1))
    } ?? []
  }

  // MARK: - Stages

  private func addStages(to choices: inout PlanChoices) throws(ConstraintViolation) {
    let layers = try layersOfStages()
    let chunks = try chunks(layers)
    try checkRounds(chunks, choices.microBatches)
    choices.interleave = chunks
    choices.schedule = schedule(chunks)
    choices.stages = layers.map { count in
      switch recomputation {
      case .none: StageChoice(layers: count, recomputeNone: count)
      case .selective: StageChoice(layers: count, .selective)
      case .full: StageChoice(layers: count, .full)
      case .block(let each):
        StageChoice(
          layers: count, recomputeNone: count - min(count, each.clamped(count) * chunks),
          recomputeFull: min(count, each.clamped(count) * chunks))
      }
    }
    let counts = choices.stages.map(\.recomputeFull)
    let isFull = counts == layers
    switch recomputation {
    case .none: choices.recompute = .none
    case .selective: choices.recompute = .selective
    case .full, .block:
      choices.recompute = isFull ? .full : counts.allSatisfy { $0 == 0 } ? .none : .mixed
    }
  }

  /// Virtual stages take micro-batches in rounds of as many as there are stages.
  private func checkRounds(_ chunks: Int, _ microBatches: Int) throws(ConstraintViolation) {
    let stages = configuration.pipeline
    guard chunks > 1, microBatches % stages != 0 else { return }
    throw .unevenRounds(
      microBatches, stages: stages,
      remedy: "another \(words.microBatch) or \(words.globalBatch), or \(words.text(.one))")
  }

  /// Fused attention stores no scores: what selective recomputation would drop is not there.
  private var recomputation: LaunchRecomputation {
    let isFused = training.workload.attention == .fused
    return configuration.recompute == .selective && isFused ? .none : configuration.recompute
  }

  private func schedule(_ chunks: Int) -> PipelineSchedule {
    guard configuration.pipeline > 1 else { return .none }
    if chunks > 1 { return .interleaved }
    return configuration.schedule ?? .oneForwardOneBackward
  }

  /// Layers of each stage: as many on each, but where the launch says how many lie on the ends, or
  /// counts the embedding or the head as a layer.
  private func layersOfStages() throws(ConstraintViolation) -> [Int] {
    let (stages, layers) = (configuration.pipeline, training.layers)
    guard stages > 1 else { return [layers] }
    let ends = [configuration.firstStageLayers, configuration.lastStageLayers]
    let isGiven = ends.contains { $0 != nil }
    let extra =
      isGiven
      ? 0
      : (configuration.countsEmbedding ? 1 : 0)
        + (configuration.countsHead ? 1 : 0)
    let given = ends.compactMap(\.self).reduce(0) { $0 + min($1, layers + 1) }
    let others = stages - ends.compactMap(\.self).count
    let left = layers + extra - given
    guard left >= 0, others == 0 ? left == 0 : left % others == 0 else {
      throw ConstraintViolation(
        constraint: isGiven
          ? "layers that are left divisible by stages that are left" : "layers divisible by stages",
        found: "\(max(left, 0)) over \(others)", needed: "as many on each",
        remedy: isGiven
          ? "other layers on the first or the last stage"
          : "\(words.pipeline) \(divisors(of: layers + extra).last { $0 <= stages && leavesData($0) } ?? 1)"
      )
    }
    var counts = Array(repeating: others > 0 ? left / others : 0, count: stages)
    if let first = ends[0] { counts[0] = first }
    if let last = ends[1] { counts[stages - 1] = last }
    if !isGiven && configuration.countsEmbedding { counts[0] -= 1 }
    if !isGiven && configuration.countsHead { counts[stages - 1] -= 1 }
    return counts
  }

  /// Whether as many stages leave a whole number of data ranks.
  private func leavesData(_ stages: Int) -> Bool {
    devices % (configuration.tensor * configuration.context * stages) == 0
  }

  private func chunks(_ layers: [Int]) throws(ConstraintViolation) -> Int {
    let most = layers.max() ?? 1
    let count: Int
    switch configuration.chunks {
    case .one: return 1
    case .count(let given): count = given
    case .layers(let each): count = most % each == 0 ? most / each : 0
    }
    if !layers.allSatisfy({ $0 == most }), !layers.allSatisfy({ $0 % max(count, 1) == 0 }) {
      throw ConstraintViolation(
        constraint: "chunks of a stage of unequal layers are not built in this version",
        found: "stages of \(layers.map(String.init).joined(separator: ", ")) layers, "
          + words.text(configuration.chunks),
        needed: "as many layers in each chunk", remedy: "no virtual stages")
    }
    guard count > 0, count <= most, layers.allSatisfy({ $0 % count == 0 }) else {
      throw ConstraintViolation(
        constraint: "layers of a stage divisible by its chunks",
        found: "\(most) layers, \(words.text(configuration.chunks))",
        needed: "as many in each chunk",
        remedy: "\(divisors(of: most).map(String.init).joined(separator: ", ")) layers a chunk")
    }
    return count
  }
}

extension Int {
  /// This, at most `limit`: so that products of hostile figures stay small.
  fileprivate func clamped(_ limit: Int) -> Int { Swift.min(self, limit) }
}
