import PlanIR

/// Prices the candidates of families: lowers each group of blocks once, prices it once a micro-batch,
/// and adds up.
struct FamilySearch {
  let request: SearchRequest
  private let groups: (ends: BlockGroup, layers: [BlockGroup])
  private var table: BlockTable
  private var chains: ChainTable
  /// The families of which all that divide fit where everything gathered is saved.
  private var fitting: Set<PlanChoices> = []
  private(set) var ranking: Ranking
  /// Whether candidates are left out whose layers alone are too large or too slow; not where the plan
  /// that needs least memory of all that do not fit is looked for.
  private let bounds: Bool

  init(_ request: SearchRequest, bounds: Bool) {
    self.request = request
    self.bounds = bounds && !request.exhaustive && !request.keepsFront
    groups = request.training.groups
    table = BlockTable(request.training)
    let unfused: Set<Recomputation> =
      request.training.workload.attention == .unfused ? [.selective] : []
    chains = ChainTable(request.training, recomputing: unfused.union([.full]))
    ranking = Ranking(request)
  }

  private var training: TrainingGraph { request.training }
  private var precision: Precision { training.workload.precision }

  /// Prices families, those of one split of devices together, and the mixtures of their shapes: first all
  /// that gather whole, then, with what these take known, loops over panels.
  mutating func consider(_ families: [[Family]]) {
    var mixtures: [Int: MixtureSearch] = [:]
    for matmul in [MatmulSchedule.gathered, .stepped] {
      for (index, all) in families.enumerated() {
        let own = all.filter { $0.choices.matmul == matmul }
        guard let first = own.first else { continue }
        if request.pins.layout != .mixed { for family in own { consider(family) } }
        if var search = mixtures[index] ?? mixtureSearch(like: first) {
          search.consider(
            knobs(own), first.microBatches, table: &table, ranking: &ranking)
          mixtures[index] = search
        }
        table.forget()
      }
    }
  }

  /// The search for mixtures on devices split as those of `family`; nil where there are none.
  private func mixtureSearch(like family: Family) -> MixtureSearch? {
    guard request.pins.layout == nil || request.pins.layout == .mixed, !training.isAnnotated,
      family.choices.degree("pipeline") * family.choices.degree("context") == 1,
      family.choices.recompute == .none
    else { return nil }
    let shapes = CandidateSpace(request).shapes(tensor: family.shape.devices)
    guard shapes.count > 1 else { return nil }
    return MixtureSearch(
      request, data: family.choices.degree("data"), tensor: family.shape.devices, shapes: shapes)
  }

  /// What mixtures of these families may choose beside layouts, each once.
  private func knobs(_ families: [Family]) -> [PlanChoices] {
    var found: [PlanChoices] = []
    for family in families {
      guard family.choices.weightsOver.allSatisfy({ $0 == "data" }) else { continue }
      var knobs = family.choices
      knobs.layout = .mixed
      knobs.blocks = [:]
      knobs.mesh = Mesh([])
      if !found.contains(knobs) { found.append(knobs) }
    }
    return found.flatMap { knobs in
      (request.pins.gathersInputs.map { [$0] } ?? GatherChoice.allCases).flatMap { inputs in
        (request.pins.gathersWeights.map { [$0] } ?? GatherChoice.allCases).map { weights in
          var choices = knobs
          (choices.gathersInputs, choices.gathersWeights) = (inputs, weights)
          return choices
        }
      }
    }
  }

  /// Prices every candidate of `family`, but for those that gather again, or panel by panel, what
  /// another of the same mesh may keep or gather whole: they send more, or the same in more messages,
  /// and where the other fits they cannot win.
  mutating func consider(_ family: Family) {
    let network = NetworkTable(request, mesh: family.choices.mesh)
    let each = family.microBatches.count * network.costs.count
    var gathered = family.choices
    gathered.matmul = .gathered
    if family.choices.matmul == .stepped, fitting.contains(gathered), prunes {
      return ranking.prune(count: each)
    }
    if family.choices.matmul == .stepped, isSlow(gathered, family, network) {
      return ranking.prune(count: each)
    }
    do throws(ConstraintViolation) {
      for choices in try gathers(family.choices) {
        let isLeast = choices.gathersInputs == .saved && choices.gathersWeights == .saved
        if !isLeast && fitting.contains(family.choices) && prunes {
          ranking.prune(count: each)
          continue
        }
        let layers = try lowered(groups.layers, choices)
        if isHopeless(choices, layers, family, network) { continue }
        var fits = true
        for choices in try Self.tables(choices, training, &table) {
          let ends = try table.lowered(groups.ends, choices)
          if !consider(choices, family.microBatches, [ends] + layers, network) { fits = false }
        }
        if isLeast && fits { fitting.insert(family.choices) }
      }
    } catch {
      ranking.refuse(error, count: each)
    }
  }

  /// Whether the layers alone take longer than what is kept in every micro-batch although everything is
  /// kept and gathered whole: then they do however they gather. Panels never cut the batch, so that what
  /// does not divide it here does not there.
  private mutating func isSlow(
    _ choices: PlanChoices, _ family: Family, _ network: NetworkTable
  ) -> Bool {
    guard bounds, prunes, !mustLowerWhole(choices),
      let layers = try? lowered(groups.layers, choices)
    else { return false }
    return family.microBatches.allSatisfy { size in
      let batch = choices.degree("data") * size
      return layers.indivisibleSplit(of: batch) != nil
        || isSlow(layers, batch, size, choices, network)
    }
  }

  /// Whether the layers alone take more than the limit, or longer than what is kept, in every
  /// micro-batch, however tables are stored; counts the candidates if so.
  private mutating func isHopeless(
    _ choices: PlanChoices, _ layers: [LoweredGroup], _ family: Family, _ network: NetworkTable
  ) -> Bool {
    guard bounds, !mustLowerWhole(choices) else { return false }
    var (over, slow) = (0, 0)
    for size in family.microBatches {
      let batch = choices.degree("data") * size
      guard layers.indivisibleSplit(of: batch) == nil else { continue }
      if over > 0 || isOver(layers, batch, network) {
        over += 1
      } else if isSlow(layers, batch, size, choices, network) {
        slow += 1
      } else {
        return false
      }
    }
    guard over + slow > 0 else { return false }
    ranking.refuseOverMemory(count: over * network.costs.count)
    ranking.prune(count: slow * network.costs.count)
    return true
  }

  /// Whether the parameters of all layers, and what they keep of a micro-batch, are over the limit.
  private func isOver(
    _ layers: [LoweredGroup], _ batch: Int, _ network: NetworkTable
  ) -> Bool {
    var held = request.cluster.device.framework
    for (group, lowered) in zip(groups.layers, layers) {
      for (place, profile) in zip(group.places, lowered.profiles) {
        let layers = training.segments[place.segment].count
        held += Bytes(profile.held(batch / lowered.unit) * layers)
      }
    }
    return ranking.isOver(held)
  }

  /// Whether all layers take longer under every placement than the slowest plan that is kept, and
  /// than the best of their layout.
  private func isSlow(
    _ layers: [LoweredGroup], _ batch: Int, _ microBatch: Int, _ choices: PlanChoices,
    _ network: NetworkTable
  ) -> Bool {
    guard let worst = ranking.worstShown(of: choices.layout) else { return false }
    let count = training.workload.globalBatch / choices.degree("data") / microBatch
    let priced = layers.map { PricedGroup($0, units: batch / $0.unit, network: network) }
    return network.costs.indices.allSatisfy { placement in
      let chain = PricedChain(training, groups.layers, priced)
      return chain.time(microBatches: count, placement: placement) > worst
    }
  }

  /// Whether candidates that cannot win are left out.
  private var prunes: Bool { request.prunesDominated }

  private mutating func lowered(
    _ groups: [BlockGroup], _ choices: PlanChoices
  ) throws(ConstraintViolation) -> [LoweredGroup] {
    var result: [LoweredGroup] = []
    for group in groups { result.append(try table.lowered(group, choices)) }
    return result
  }

  /// `choices` with inputs and weights saved or gathered again, where that makes a difference or is
  /// pinned.
  private mutating func gathers(
    _ choices: PlanChoices
  ) throws(ConstraintViolation) -> [PlanChoices] {
    let all = try lowered(groups.layers + [groups.ends], choices)
    func options(_ pinned: GatherChoice?, _ matters: Bool) -> [GatherChoice] {
      pinned.map { [$0] } ?? (matters ? GatherChoice.allCases : [.saved])
    }
    let inputs = options(
      request.pins.gathersInputs, all.contains(where: \.keepsGatheredInputs))
    let weights = options(
      request.pins.gathersWeights, all.contains(where: \.keepsGatheredWeights))
    return inputs.flatMap { inputs in
      weights.map { weights in
        var choices = choices
        (choices.gathersInputs, choices.gathersWeights) = (inputs, weights)
        return choices
      }
    }
  }

  /// `choices` with each form of the token table, and with its gradients added before they are
  /// scattered or not, where that makes a difference.
  static func tables(
    _ choices: PlanChoices, _ training: TrainingGraph, _ table: inout BlockTable
  ) throws(ConstraintViolation) -> [PlanChoices] {
    let layout = try LayoutCatalog.layout(choices.blocks[.embedding] ?? choices.layout)
    let head = try LayoutCatalog.layout(choices.blocks[.head] ?? choices.layout)
    let isTied = training.isTied
    let hasTable = training.model.has(.embedding)
    var forms = hasTable ? layout.tableForms(isTied: isTied) : [.gathered]
    if isTied { forms += head.tableForms(isTied: isTied).filter { !forms.contains($0) } }
    var result: [PlanChoices] = []
    for form in forms {
      var choices = choices
      choices.tableForm = form
      result.append(choices)
      // Over stages the two are on devices of their own.
      guard choices.degree("pipeline") == 1 else { continue }
      guard try table.lowered(training.groups.ends, choices).addsTableGradients else { continue }
      choices.tableGradients = .apart
      result.append(choices)
    }
    return result
  }

  /// Prices `choices` with every micro-batch; returns whether all that divide fit.
  private mutating func consider(
    _ choices: PlanChoices, _ microBatches: [Int], _ lowered: [LoweredGroup],
    _ network: NetworkTable
  ) -> Bool {
    let data = choices.degree("data")
    var isOver = false
    for size in microBatches {
      var choices = choices
      choices.microBatch = size
      choices.microBatches = training.workload.globalBatch / data / size
      if let split = lowered.indivisibleSplit(of: data * size) {
        let violation = ConstraintViolation.indivisible(
          .batch, size: data * size, by: split, in: choices.mesh)
        ranking.refuse(violation, count: network.costs.count)
        continue
      }
      if isOver {
        // What a larger micro-batch allocates is never less.
        ranking.refuseOverMemory(count: network.costs.count)
        continue
      }
      isOver = consider(choices, lowered, network)
    }
    return !isOver
  }

  /// Prices a candidate under every placement; returns whether it is over the memory limit.
  private mutating func consider(
    _ choices: PlanChoices, _ lowered: [LoweredGroup], _ network: NetworkTable
  ) -> Bool {
    if training.isAnnotated { return considerWhole(choices, network) }
    if mustLowerWhole(choices) { return considerStaged(choices, network) }
    let batch = choices.degree("data") * choices.microBatch
    let places = [groups.ends] + groups.layers
    let blocks = lowered.map { group in
      group.profiles.map { $0.priced(batch / group.unit, network.costs[0]) }
    }
    let memory =
      PricedChain.memory(training, places, blocks, precision) + request.cluster.device.framework
    if ranking.isOver(memory), !ranking.mayNeedLeast(memory) {
      ranking.refuseOverMemory(count: network.costs.count)
      return true
    }
    let chain = PricedChain(
      training, places,
      zip(blocks, lowered).map { PricedGroup($0, $1.axes, network: network) })
    for (index, placement) in network.placements.enumerated() {
      let step = chain.time(microBatches: choices.microBatches, placement: index)
      ranking.offer(choices.layout, step: step, memory: memory) {
        var choices = choices
        choices.placement = placement
        return choices
      }
    }
    return ranking.isOver(memory)
  }
}

extension FamilySearch {
  /// Whether a plan's parts do not add up to it: shardings written on the stream may put joints between
  /// blocks of one layout, stages run at once, layers are computed again.
  private func mustLowerWhole(_ choices: PlanChoices) -> Bool {
    training.isAnnotated || choices.degree("pipeline") > 1 || choices.recompute != .none
  }

  /// As above where stages run at once or layers are computed again: what the chain's bodies take is
  /// known of any batch, and run in the order of the schedule.
  private mutating func considerStaged(
    _ choices: PlanChoices, _ network: NetworkTable
  ) -> Bool {
    let count = network.placements.count
    do throws(ConstraintViolation) {
      try PipelineOrder.check(choices)
      try BuiltChoices.checkRecomputation(choices, training.workload)
      let profile = try chains.chain(of: choices)
      let batch = choices.degree("data") * choices.microBatch
      try profile.check(batch, choices.mesh)
      let computed = profile.computed(batch, network.costs[0])
      var pricing = Pricing(
        chain: profile.priced(computed, batch, network.costs[0]), map: try StageMap(choices),
        order: PipelineOrder(choices), mesh: choices.mesh, training: training,
        cluster: request.cluster)
      var choices = choices
      if choices.recompute == .mixed {
        choices = try LeastRecomputation(choices, pricing, limit: request.limit).fitted()
        pricing.map = try StageMap(choices)
      }
      try Lowering.checkCut(pricing.chain, pricing.map)
      if bounds, let worst = ranking.worstShown(of: choices.layout), pricing.kernels > worst {
        ranking.prune(count: count)
        return false
      }
      let memory = pricing.memory.peak().program + request.cluster.device.framework
      if ranking.isOver(memory), !ranking.mayNeedLeast(memory) {
        ranking.refuseOverMemory(count: count)
        return true
      }
      for (cost, placement) in zip(network.costs, network.placements) {
        pricing.chain = profile.priced(computed, batch, cost)
        ranking.offer(choices.layout, step: pricing.step(cost), memory: memory) {
          var choices = choices
          choices.placement = placement
          return choices
        }
      }
      return ranking.isOver(memory)
    } catch {
      ranking.refuse(error, count: count)
      return false
    }
  }

  /// As above where the plan must be lowered whole.
  private mutating func considerWhole(_ choices: PlanChoices, _ network: NetworkTable) -> Bool {
    var isOver = false
    for placement in network.placements {
      var choices = choices
      choices.placement = placement
      do throws(ConstraintViolation) {
        let predicted = try Partitioner.predict(
          training, choices: choices, cluster: request.cluster, timings: request.timings)
        ranking.offer(
          choices.layout, step: predicted.step, memory: predicted.memory.total
        ) { choices }
        isOver = ranking.isOver(predicted.memory.total)
      } catch {
        ranking.refuse(error, count: 1)
      }
    }
    return isOver
  }
}
