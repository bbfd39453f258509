import PlanIR

/// The sizes of a template on one mesh, for any batch.
struct GroupSizes {
  private let terms: [SizeTerm]
  private let parts: [Int]
  private let vocabulary: Int
  /// What the batch counts in: the least number that every split divides.
  let unit: Int

  init(_ template: GroupTemplate, _ parts: AxisParts, vocabulary: Int) {
    terms = template.terms
    self.parts = parts.sizes
    self.vocabulary = vocabulary
    unit = template.batchSplits.reduce(1) { leastCommonMultiple($0, parts.axes($1).groupSize) }
  }

  /// Each of them at `units` units of batch.
  func values(_ units: Int) -> [Int] {
    let sizes = InstanceSizes(batch: units * unit, vocabulary: vocabulary, parts: parts)
    return terms.map { $0.value(sizes) }
  }
}

/// A block on one mesh, as a function of the batch.
struct BlockProfile {
  private let template: BlockTemplate
  private let sizes: GroupSizes

  init(_ template: BlockTemplate, _ sizes: GroupSizes) {
    self.template = template
    self.sizes = sizes
  }

  /// What every body at `units` units of batch holds and computes.
  func computed(_ units: Int, _ cost: ClusterCost) -> PricedBlock {
    let values = sizes.values(units)
    var block = block(values) { BodySummary($0, values, cost) }
    if cost.recomputesWhole { block.recomputeWhole() }
    return block
  }

  /// `block`, computed at `units` units of batch, with what its bodies send, `routes` being what its
  /// groups meet; where frameworks compute a layer again whole, what that sends takes as long as forward.
  func sending(
    _ block: PricedBlock, _ units: Int, _ routes: [Route], recomputesWhole: Bool
  ) -> PricedBlock {
    let values = sizes.values(units)
    var result = block
    func send(_ body: BodyTemplate?, _ summary: inout BodySummary) {
      if let body { summary.send(body, values, routes) }
    }
    send(template.forward, &result.forward)
    send(template.inputGradient, &result.inputGradient)
    send(template.weightGradient, &result.weightGradient)
    send(template.reduceGradients, &result.reduceGradients)
    send(template.optimize, &result.optimize)
    send(template.settle, &result.settle)
    for (kind, own) in template.lean {
      guard var lean = result.lean[kind] else { continue }
      send(own.forward, &lean.forward)
      let isWhole = kind == .full && own.recompute != nil && recomputesWhole
      send(isWhole ? template.forward : own.recompute, &lean.recompute)
      result.lean[kind] = lean
    }
    return result
  }

  /// What a micro-batch of `units` units takes, by placement, of which `routes` are what its groups meet, and
  /// what is kept of it. Where it `isShared` the same holds at least whatever of weights and gradients is
  /// sharded over data, what gradients of weights take more where nothing is being told apart, and nothing is
  /// told of what is done once a step.
  func passes(
    _ units: Int, _ cost: ClusterCost, _ routes: PlacedRoutes, isLast: Bool, isShared: Bool = false
  ) -> BlockPasses {
    let values = sizes.values(units)
    func computed(_ body: BodyTemplate?) -> Picoseconds { body?.kernels(values, cost) ?? .zero }
    func times(_ body: BodyTemplate?, _ kernels: Picoseconds) -> [BodyTime] {
      var times = [BodyTime](repeating: BodyTime(kernels: kernels), count: routes.count)
      body?.addSent(values, routes, cost, to: &times)
      return times
    }
    let (forward, input) = (computed(template.forward), computed(template.inputGradient))
    let unsharded = computed(template.weightGradient)
    let weight =
      isShared ? template.weightGradient?.products(values, cost) ?? .zero : unsharded
    var again = template.lean.mapValues { computed($0.recompute) }
    if cost.recomputesWhole, let own = again[.full] { again[.full] = max(own, forward) }
    let forwards = times(template.forward, forward)
    let (inputs, weights) = (
      times(template.inputGradient, input), times(template.weightGradient, weight)
    )
    var agains: ByRecomputation<[BodyTime]> = [:]
    for (kind, lean) in template.lean {
      let isWhole = kind == .full && lean.recompute != nil && cost.recomputesWhole
      agains[kind] = times(isWhole ? template.forward : lean.recompute, again[kind] ?? .zero)
    }
    var result = BlockPasses()
    result.times = (0..<routes.count).map { place in
      let backward = BackwardTime(inputGradient: inputs[place], weightGradient: weights[place])
      return LayerTimes(
        passes: PassBound(
          forward: forwards[place].all, inputGradient: backward.inputGradient.all,
          weightGradient: backward.weightGradient(isSplit: false)),
        sent: PassBound(
          forward: forwards[place].rest, inputGradient: inputs[place].rest,
          weightGradient: weights[place].rest),
        unsharded: max(.zero, unsharded - weight), again: agains.mapValues { $0[place].all })
    }
    if !isShared {
      let time = computed(template.reduceGradients) + computed(template.optimize)
      result.once = Array(repeating: OnceBound(time: time), count: routes.count)
      for body in [template.reduceGradients, template.optimize].compactMap(\.self) {
        body.addOnce(values, routes, cost, to: &result.once)
      }
    }
    result.memory = memory(values, isLast: isLast)
    return result
  }

  /// What one repetition's parameters take, what it keeps of a micro-batch of `units` units, and, of the last block of
  /// a layer, what its gradient holds beside.
  func memory(_ units: Int, isLast: Bool) -> LayerMemory {
    memory(sizes.values(units), isLast: isLast)
  }

  private func memory(_ values: [Int], isLast: Bool) -> LayerMemory {
    var memory = LayerMemory()
    memory.stored = template.storedUse(values)
    memory.kept[.none] = template.forward?.memory(values).change ?? 0
    for (kind, lean) in template.lean { memory.kept[kind] = lean.forward.memory(values).change }
    if isLast { memory.transient = template.inputGradient?.memory(values).peak ?? 0 }
    return memory
  }

  /// Seconds that a body's kernels take at least of one unit of batch more, and what it takes to launch them.
  typealias LeastWork = (seconds: Double, launches: Picoseconds)

  /// What each body of a micro-batch takes at least.
  func leastOfMicroBatch(
    _ cost: ClusterCost
  ) -> (forward: LeastWork, inputGradient: LeastWork, weightGradient: LeastWork) {
    let (one, two) = (sizes.values(1), sizes.values(2))
    func least(_ body: BodyTemplate?) -> LeastWork {
      body?.least(of: one, two, cost) ?? (0, .zero)
    }
    return (
      least(template.forward), least(template.inputGradient), least(template.weightGradient)
    )
  }

  /// Seconds that the operations of each body of a micro-batch take at least, of one unit of batch more, products at
  /// full speed: without what is copied and added on the way from storage and back.
  func leastOfOperations(
    _ cost: ClusterCost
  ) -> (forward: Double, inputGradient: Double, weightGradient: Double) {
    // Of many units: times are rounded to whole picoseconds.
    let many = 1 << 10
    let (some, more) = (sizes.values(many), sizes.values(2 * many))
    func least(_ body: BodyTemplate?) -> Double {
      (body?.leastOfOperations(some, more, cost) ?? 0) / Double(many)
    }
    return (
      least(template.forward), least(template.inputGradient), least(template.weightGradient)
    )
  }

  /// What one repetition's parameters take.
  var stored: MemoryUse { template.storedUse(sizes.values(1)) }

  /// What the operations of a micro-batch of `units` units take, without what is copied and added on the way
  /// from storage and back.
  func operations(_ units: Int, _ cost: ClusterCost) -> Picoseconds {
    let values = sizes.values(units)
    return [template.forward, template.inputGradient, template.weightGradient].reduce(.zero) {
      $0 + ($1?.operations(values, cost) ?? .zero)
    }
  }

  /// What is reduced once a step: over which of the group's axes, how many tensors of how many bytes.
  var reductions: [(group: Int, bytes: Int, count: Int)] {
    let values = sizes.values(1)
    return (template.reduceGradients?.uses ?? []).map {
      ($0.group, values[$0.term] * $0.width, $0.count)
    }
  }

  /// The weights that its forward pass reads as they are stored, and its input gradient, each in bytes with the axes that
  /// split it, by the places of their parts.
  var readWeights: (forward: [SplitWeight], backward: [SplitWeight]) {
    let values = sizes.values(1)
    func read(_ body: BodyTemplate?) -> [SplitWeight] {
      (body?.weights ?? []).map { ($0.split, values[$0.term] * $0.width) }
    }
    return (read(template.forward), read(template.inputGradient))
  }

  typealias SplitWeight = (split: [[Int]], bytes: Int)

  /// The block at `units` units of batch.
  func priced(_ units: Int, _ cost: ClusterCost) -> ProfiledBlock {
    let values = sizes.values(units)
    func profiled(_ bodies: BodyTemplate?...) -> ProfiledBlock.Pass {
      let bodies = bodies.compactMap(\.self)
      return ProfiledBlock.Pass(
        kernels: bodies.reduce(.zero) { $0 + $1.kernels(values, cost) },
        uses: bodies.flatMap { body in
          body.uses.map { use in
            ProfiledBlock.Use(
              pattern: use.pattern, route: use.group, bytes: values[use.term] * use.width,
              width: use.width, isOfShards: use.isOfShards, count: use.count)
          }
        })
    }
    let memory = block(values) { body in
      let (peak, change) = body.memory(values)
      return BodySummary(peak: Bytes(peak), change: Bytes(change))
    }
    return ProfiledBlock(
      memory: memory, forward: profiled(template.forward),
      inputGradient: profiled(template.inputGradient),
      weightGradient: profiled(template.weightGradient),
      onceAStep: profiled(template.reduceGradients, template.optimize))
  }

  /// The block with each of its bodies summed up by `summary`.
  private func block(_ values: [Int], _ summary: (BodyTemplate) -> BodySummary) -> PricedBlock {
    func own(_ body: BodyTemplate?) -> BodySummary { body.map(summary) ?? BodySummary() }
    var block = PricedBlock()
    block.forward = own(template.forward)
    block.inputGradient = own(template.inputGradient)
    block.weightGradient = own(template.weightGradient)
    block.reduceGradients = own(template.reduceGradients)
    block.optimize = own(template.optimize)
    block.settle = own(template.settle)
    if !template.lean.isEmpty {
      block.lean = template.lean.mapValues { (own($0.forward), own($0.recompute)) }
    }
    block.stored = template.storedUse(values)
    return block
  }
}

/// A block at one batch: what it holds, computes and sends.
struct ProfiledBlock {
  /// Memory alone; all of it in one class.
  let memory: PricedBlock
  let forward, inputGradient, weightGradient: Pass
  /// Once a step: gradients reduced, parameters updated.
  let onceAStep: Pass

  /// Kernels, and what is sent.
  struct Pass {
    let kernels: Picoseconds
    let uses: [Use]
  }

  struct Use {
    let pattern: CollectiveUse.Pattern
    let route, bytes, width: Int
    /// Whether replicas exchange shards of parameters so.
    let isOfShards: Bool
    let count: Int
  }
}

/// What a block, or several of one layer, take of a micro-batch by placement, and hold.
struct BlockPasses {
  var times: [LayerTimes] = []
  /// The same block by block.
  var blocks: [PlacedBlock] = []
  /// Once a step, by placement.
  var once: [OnceBound] = []
  var memory = LayerMemory()

  /// A block of a layer, by placement.
  struct PlacedBlock {
    /// Its place in the layer.
    let place: Int
    var times: [LayerTimes]
  }

  static func + (left: BlockPasses, right: BlockPasses) -> BlockPasses {
    var result = left
    result.times = zip(left.times, right.times).map(+)
    result.blocks = left.blocks + right.blocks
    result.once = zip(left.once, right.once).map(+)
    result.memory.add(right.memory)
    return result
  }
}
