package import PlanIR

/// A small twin of a plan: the same layouts, mesh and schedule on a model with few layers and the
/// smallest widths that keep every divisibility.
package struct Shrinker {
  /// The twin and what was changed.
  package struct Twin: Sendable {
    package var plan: Plan
    package var training: TrainingGraph
    package var changes: [String]
  }

  private let plan: Plan
  private var choices: PlanChoices
  private var model: Model
  private var workload: Workload
  private var changes: [String] = []
  private var meshChanges: [String] = []

  /// The twin of `plan`, priced on the same cluster.
  package static func twin(of plan: Plan) throws -> Twin {
    var shrinker = Shrinker(plan)
    shrinker.shrinkMesh()
    while true {
      shrinker.shrinkSizes()
      do {
        return try shrinker.twin()
      } catch let violation as ConstraintViolation {
        guard try shrinker.widen(violation) else { throw violation }
      }
    }
  }

  private init(_ plan: Plan) {
    self.plan = plan
    choices = plan.choices
    model = plan.model
    workload = plan.workload
  }

  /// What each dimension must be a multiple of, as far as lowering has told.
  private var multiples: [Dimension: Int] = [:]

  /// Takes a dimension that is not divisible to the next size that is; false where nothing can be
  /// done about it.
  private mutating func widen(_ violation: ConstraintViolation) throws -> Bool {
    guard let fault = violation.indivisible else {
      // Products that step over heads loop over the rows.
      return choices.matmul == .stepped && widen(.heads, choices.degree("row")) || addHeads()
    }
    return widen(fault.dimension, fault.parts)
      || (fault.dimension == .headWidth && widen(.heads, fault.parts))
  }

  /// Makes a dimension a multiple of `parts`, too; false where it is one, or the plan's own is none. What splits
  /// rows of heads splits the heads where these divide.
  private mutating func widen(_ dimension: Dimension, _ parts: Int) -> Bool {
    let known = multiples[dimension, default: 1]
    let wider = leastCommonMultiple(known, parts)
    guard wider > known, dimension != .headWidth || plan.model.sizes[dimension] % wider == 0 else {
      return false
    }
    multiples[dimension] = wider
    return true
  }

  /// Takes the next number of key/value heads that divides the plan's, in the end all of its heads: what joined axes of a
  /// mixture split, they split there; false where it has all.
  private mutating func addHeads() -> Bool {
    let (all, own) = (plan.model.sizes, model.sizes)
    let few = own[.keyValueHeads]
    let next = divisors(of: max(1, all[.keyValueHeads])).first { $0 > few && $0 % max(1, few) == 0 }
    if let next {
      multiples[.keyValueHeads] = next
      return true
    }
    let group = all[.heads] / max(1, all[.keyValueHeads])
    guard group > leastGroup else { return false }
    leastGroup = group
    return own[.heads] < all[.heads]
  }

  /// Heads that share a key/value head at least, where that matters.
  private var leastGroup = 1

  private mutating func shrinkSizes() {
    model = plan.model
    workload = plan.workload
    changes = meshChanges
    shrinkWorkload()
    shrinkModel()
  }

  private static let largestMesh = 64
  private static let fewLayers = 2
  /// A norm over fewer features magnifies what float32 rounds off.
  private static let fewFeatures = 32

  private mutating func shrinkMesh() {
    cut("data", to: 2)
    for axis in ["data", "pipeline", "context"] {
      while choices.mesh.deviceCount > Self.largestMesh && choices.degree(axis) > 1 {
        cut(axis, to: axis == "data" ? 1 : choices.degree(axis) / 2)
      }
    }
    if choices.degree("context") == 1 { choices.contextAttention = .allToAll }
    if choices.degree("pipeline") == 1 { (choices.schedule, choices.interleave) = (.none, 1) }
  }

  private mutating func cut(_ axis: String, to size: Int) {
    let degree = choices.degree(axis)
    guard degree > size else { return }
    meshChanges.append("\(axis) \(degree) -> \(size)")
    choices.mesh = Mesh(
      choices.mesh.axes.map { $0.name == axis ? MeshAxis(axis, size) : $0 })
    choices.placement = Placement.innermostFirst(
      choices.mesh, perNode: plan.cluster.devicesPerNode)
  }

  private mutating func shrinkWorkload() {
    let data = choices.degree("data")
    let rows = multiples[.batch, default: 1]
    let sequences = rows / greatestCommonDivisor(rows, data)
    choices.microBatch = multiple(of: sequences, atLeast: min(plan.choices.microBatch, 2))
    let stages = choices.degree("pipeline")
    choices.microBatches = min(plan.choices.microBatches, max(stages, 2))
    if choices.schedule == .interleaved { choices.microBatches = stages }
    workload.globalBatch = data * choices.microBatch * choices.microBatches
    workload.sequence = min(
      workload.sequence, multiple(of: multiples[.sequence, default: 1], atLeast: 8))
    note("global batch", plan.workload.globalBatch, workload.globalBatch)
    note("sequence", plan.workload.sequence, workload.sequence)
  }

  private mutating func note(_ name: String, _ old: Int, _ new: Int) {
    if old != new { changes.append("\(name) \(old) -> \(new)") }
  }

  private func multiple(of factor: Int, atLeast least: Int) -> Int {
    (max(least, factor) + factor - 1) / factor * factor
  }

  // MARK: - The model

  private mutating func shrinkModel() {
    let old = model.sizes
    shrinkHeads()
    model.sizes[.hidden] = min(
      old[.hidden],
      multiple(
        of: multiples[.hidden, default: 1],
        atLeast: max(Self.fewFeatures, model.sizes[.heads] * model.sizes[.headWidth])))
    model.sizes[.wide] = min(
      old[.wide], multiple(of: multiples[.wide, default: 1], atLeast: 16))
    model.sizes[.vocabulary] = min(old[.vocabulary], 97)
    if old[.positions] > 0 {
      model.sizes[.positions] =
        old[.positions] == plan.workload.sequence
        ? workload.sequence : min(old[.positions], workload.sequence + 3)
    }
    model.maximumSequence = max(workload.sequence, model.sizes[.positions])
    for (dimension, size) in old.named { note(dimension.rawValue, size, model.sizes[dimension]) }
    for index in model.segments.indices { shrinkSegment(index, old) }
    // Layers that are as few as can be lie as they did.
    guard model.layers < plan.model.layers else { return }
    let counts = StageMap.even(layers: model.layers, stages: choices.degree("pipeline"))
    choices.stages = counts.enumerated().map { stage, layers in
      shrunk(plan.choices.stages[min(stage, plan.choices.stages.count - 1)], to: layers)
    }
  }

  /// A stage of fewer layers, of which as large a part is computed again, rounded up.
  private func shrunk(_ stage: StageChoice, to layers: Int) -> StageChoice {
    func part(_ count: Int) -> Int {
      (count * layers + stage.layers - 1) / max(stage.layers, 1)
    }
    let full = min(part(stage.recomputeFull), layers)
    let selective = min(part(stage.recomputeSelective), layers - full)
    return StageChoice(
      layers: layers, recomputeNone: layers - full - selective, recomputeSelective: selective,
      recomputeFull: full)
  }

  /// A layer for every chunk of every stage, two at least.
  private var fewLayers: Int {
    max(Self.fewLayers, choices.degree("pipeline") * choices.interleave)
  }

  /// The fewest heads that split as before, with as many sharing a key/value head where that
  /// matters: none, or more than one.
  private mutating func shrinkHeads() {
    let (heads, keyValue) = (model.sizes[.heads], model.sizes[.keyValueHeads])
    guard heads > 0, keyValue > 0, let split = try? headSplit() else { return }
    let newKeyValue = leastCommonMultiple(
      split.keyValue.groupSize, multiples[.keyValueHeads, default: 1])
    let parts = leastCommonMultiple(split.whole.groupSize, multiples[.heads, default: 1])
    var group = max(leastGroup, heads == keyValue ? 1 : 2)
    while newKeyValue * group % parts != 0 { group += 1 }
    if newKeyValue * group <= heads {
      model.sizes[.keyValueHeads] = newKeyValue
      model.sizes[.heads] = newKeyValue * group
    }
    // Rotary embedding turns pairs of features.
    let even = leastCommonMultiple(2, multiples[.headWidth, default: 1])
    model.sizes[.headWidth] = min(model.sizes[.headWidth], multiple(of: even, atLeast: 4))
  }

  /// How the plan splits heads, and of these the key/value heads.
  private func headSplit() throws(ConstraintViolation) -> HeadAxes {
    var sizes = plan.model.sizes
    sizes[.sequence] = plan.workload.sequence
    let context = try LoweringContext(
      sizes: sizes, workload: plan.workload, choices: plan.choices, isTied: false)
    let stored = context.storage(of: .keyValue, in: .attention)
    let keyValue = stored[.keyValueHeads]
    return HeadAxes(keyValue: keyValue, copies: stored[.heads].subtracting(keyValue))
  }

  private mutating func shrinkSegment(_ index: Int, _ old: DimensionSizes) {
    let count = model.segments[index].count
    if count > fewLayers {
      model.segments[index].count = fewLayers
      note("layers", count, fewLayers)
    }
    for block in model.segments[index].blocks.indices {
      for place in model.segments[index].blocks[block].parameters.indices {
        rescale(&model.segments[index].blocks[block].parameters[place], old)
      }
      for place in model.segments[index].blocks[block].operations.indices {
        rescale(&model.segments[index].blocks[block].operations[place])
      }
    }
  }

  /// Moves a part of a fused checkpoint tensor to where it stands in the smaller one, and keeps the
  /// spread of what the parameter contributes to.
  private func rescale(_ parameter: inout Parameter, _ old: DimensionSizes) {
    let before = CheckpointLayout(whole(parameter), sizes: old.shape(of: parameter.dimensions))
    let after = CheckpointLayout(
      whole(parameter), sizes: model.sizes.shape(of: parameter.dimensions))
    if let part = parameter.checkpoint.part, before.shape[part.axis] > 0 {
      let (from, to) = (before.shape[part.axis], after.shape[part.axis])
      parameter.checkpoint.part = .init(
        axis: part.axis, offset: part.offset / from * to, total: part.total / from * to)
    }
    if parameter.initial.mean == 0, parameter.initial.deviation < 0.1,
      parameter.dimensions.count > 1
    {
      parameter.initial.deviation = 0.1
    }
  }

  private func whole(_ parameter: Parameter) -> Parameter {
    var whole = parameter
    whole.checkpoint.part = nil
    return whole
  }

  private func rescale(_ operation: inout ModelOperation) {
    switch operation.kind {
    case .rotary(var settings):
      settings.width = min(settings.width, model.sizes[.headWidth])
      operation.kind = .rotary(settings)
    case .attention(var settings):
      settings.scale = 1 / Double(max(model.sizes[.headWidth], 1)).squareRoot()
      if let window = settings.window, window < plan.workload.sequence {
        settings.window = max(1, workload.sequence / 2)
      }
      operation.kind = .attention(settings)
    default: break
    }
  }

  private func twin() throws -> Twin {
    let training = try TrainingGraph(model: model, workload: workload)
    let predicted = try Partitioner.predict(training, choices: choices, cluster: plan.cluster)
    let twin = Plan(
      model: model, cluster: plan.cluster, workload: workload, choices: choices,
      predicted: predicted)
    return Twin(plan: twin, training: training, changes: changes)
  }
}
