import PlanIR

/// Prices a chain without unrolling it: each body once, times its calls.
struct Pricing {
  var chain: ChainParts<PricedBlock>
  var map: StageMap
  let order: PipelineOrder
  let mesh: Mesh
  let training: TrainingGraph
  let cluster: Cluster
  private let choices: PlanChoices
  /// The trace of ``order``, where the same plan is priced many times.
  var trace: StageTrace?

  private var microBatches: Int { order.microBatches }

  private var isSplit: Bool { order.schedule == .zeroBubble }

  /// Layers of a stage that are alike.
  private func units(_ stage: Int) -> [ChainParts<PricedBlock>.Unit] {
    let parts = chain.parts(map)
    return (0..<order.chunks).flatMap { parts[$0 * order.stages + stage].all }
  }

  func prediction(_ cost: any CostModel) -> Prediction {
    let time = stepTime(cost)
    let breakdown = breakdown(of: time.last, in: time, cost)
    let step =
      breakdown.compute + breakdown.communicationExposed + breakdown.bubble + breakdown.optimizer
    var memory = peak
    memory.framework = frameworkMemory
    return Prediction(
      step: step, utilization: utilization(step), breakdown: breakdown, memory: memory,
      communication: communication(cost, time, exposed: breakdown.communicationExposed))
  }

  /// What a framework allocates beside the program.
  var frameworkMemory: Bytes {
    cluster.device.framework(training, mesh, microBatches: microBatches)
      + choices.exchangeBuffers(
        chain.mostWeights, training.workload.precision, cluster.device)
  }

  /// When the step ends, and what each stage does when.
  func stepTime(_ cost: any CostModel) -> StepTime {
    StepTime(
      chain.map { TimedBlock($0, cost) }, map, order, contention: cost.contention, trace: trace)
  }

  /// The time of a step.
  func step(_ cost: any CostModel) -> Picoseconds { stepTime(cost).step }

  var memory: MemoryModel<MemoryUse> { memory(only: nil) }

  /// What is live at the peak instant of the fullest stage, by class; of several the first. All bytes are added up to
  /// find it, its classes for it alone.
  private var peak: MemoryUse {
    let totals: MemoryModel<TotalBytes> = memory(only: nil)
    let fullest = totals.peaks().map(\.bytes).enumerated().reduce((offset: 0, element: 0)) {
      $1.element > $0.element ? $1 : $0
    }.offset
    let classes: MemoryModel<MemoryUse> = memory(only: fullest)
    return classes.peak(of: fullest)
  }

  private func memory<Amount>(only stage: Int?) -> MemoryModel<Amount> {
    MemoryModel(
      chain: chain.map { HeldBlock($0) }, map: map, order: order,
      precision: training.workload.precision, only: stage)
  }

  /// The parts of the step on a stage.
  func breakdown(
    of stage: Int, in time: StepTime, _ cost: any CostModel
  ) -> Prediction.Breakdown {
    var breakdown = busy(stage, cost)
    breakdown.communicationExposed -= time.overlaps[stage].hidden
    if let worked = time.worked(stage) { breakdown = breakdown.shrunk(to: worked) }
    let busy = breakdown.compute + breakdown.communicationExposed + breakdown.optimizer
    breakdown.bubble = order.stages > 1 ? time.step - busy : .zero
    return breakdown
  }

  private func busy(_ stage: Int, _ cost: any CostModel) -> Prediction.Breakdown {
    var breakdown = Prediction.Breakdown()
    for unit in units(stage) {
      let layers = unit.layers.count
      for body in unit.everyMicroBatch {
        breakdown.compute += body.kernels * (layers * microBatches)
        breakdown.communicationExposed += body.communication(cost) * (layers * microBatches)
      }
      breakdown.communicationExposed -=
        unit.hidden(cost, isSplit: isSplit) * (layers * microBatches)
      for (_, item) in unit.items {
        breakdown.compute += item.reduceGradients.kernels * layers
        breakdown.communicationExposed +=
          (item.reduceGradients.communication(cost) + item.optimize.communication(cost)) * layers
        breakdown.optimizer += item.optimize.kernels * layers
      }
    }
    return breakdown
  }

  private struct TrafficKey: Hashable {
    let axes: [AxisReference]
    let collective: String

    init(_ use: CollectiveUse) {
      (axes, collective) = (use.axes.joined, use.pattern.name)
    }
  }

  /// What collectives of one kind over the same axes send and take.
  private struct TrafficSum {
    var bytes = 0
    var time = Picoseconds.zero
    /// Of gradients once a step.
    var reductions = Picoseconds.zero
    /// Of shards in every micro-batch.
    var shards = Picoseconds.zero

    /// Adds bytes that are sent so often; what is beyond 2^63 - 1 is told as that.
    mutating func add(_ sent: Int, times: Int) {
      let (product, overflow) = sent.multipliedReportingOverflow(by: times)
      let (sum, isMore) = bytes.addingReportingOverflow(product)
      bytes = overflow || isMore ? .max : sum
    }
  }

  /// Entries by axis in mesh order, then by collective's name: bytes of all stages, times of that which ends
  /// last, of which nothing goes on beside `exposed` in all.
  private func communication(
    _ cost: any CostModel, _ time: StepTime, exposed: Picoseconds
  ) -> [Prediction.Traffic] {
    var sums: [TrafficKey: TrafficSum] = [:]
    func add(_ body: BodySummary, times: Int, isTimed: Bool) {
      for (use, count) in body.collectives {
        sums[TrafficKey(use), default: TrafficSum()].add(use.total, times: count * times)
      }
      guard isTimed else { return }
      for (use, count) in body.timed {
        let key = TrafficKey(use)
        let own = cost.time(of: use) * (count * times)
        sums[key, default: TrafficSum()].time += own
        if use.pattern.reducesGradients {
          sums[key, default: TrafficSum()].reductions += own
        }
        if use.isOfShards { sums[key, default: TrafficSum()].shards += own }
      }
    }
    let timed = time.last
    var beside = Picoseconds.zero
    for stage in 0..<order.stages {
      for unit in units(stage) {
        let layers = unit.layers.count
        for body in unit.everyMicroBatch {
          add(body, times: layers * microBatches, isTimed: stage == timed)
        }
        if stage == timed {
          beside += unit.hidden(cost, isSplit: isSplit) * (layers * microBatches)
        }
        for (_, item) in unit.items {
          for body in [item.reduceGradients, item.optimize] {
            add(body, times: layers, isTimed: stage == timed)
          }
        }
      }
    }
    let keys = sums.keys.sorted { left, right in
      left.axes == right.axes
        ? left.collective < right.collective : left.axes.lexicographicallyPrecedes(right.axes)
    }
    var hidden = HiddenShares(
      of: time.overlaps[timed].hidden, among: sums.values.reduce(.zero) { $0 + $1.reductions })
    var besideAll = HiddenShares(
      of: beside, among: sums.values.reduce(.zero) { $0 + $1.shards })
    let traffic = keys.compactMap { key -> Prediction.Traffic? in
      guard let sum = sums[key], sum.bytes > 0 else { return nil }
      return Prediction.Traffic(
        axis: mesh.name(of: key.axes), collective: key.collective, total: Bytes(sum.bytes),
        time: sum.time,
        exposed: sum.time - hidden.next(sum.reductions) - besideAll.next(sum.shards))
    }
    // A stage that has cores of others while these wait takes less for all of it.
    let all = traffic.reduce(.zero) { $0 + $1.exposed }
    var saved = HiddenShares(of: max(.zero, all - exposed), among: all)
    return traffic.map { entry in
      var entry = entry
      entry.exposed -= saved.next(entry.exposed)
      return entry
    }
  }

  /// What is left out of several parts in proportion to what there is: what goes on beside the last backward pass; the
  /// shares add up to it.
  private struct HiddenShares {
    private let share: Double
    private var left: Picoseconds
    private var rest: Picoseconds

    init(of hidden: Picoseconds, among all: Picoseconds) {
      share = all > .zero ? Double(hidden.count) / Double(all.count) : 0
      (left, rest) = (hidden, all)
    }

    /// The share of the next `part`.
    mutating func next(_ part: Picoseconds) -> Picoseconds {
      rest -= part
      let own = rest > .zero ? Picoseconds(whole: Double(part.count) * share) : left
      let taken = min(own, part, left)
      left -= taken
      return taken
    }
  }

  private func utilization(_ step: Picoseconds) -> Double {
    let peak = cluster.device.matmulFlops16 * Double(mesh.deviceCount)
    guard step > .zero else { return 0 }
    return ModelFlops.step(training) / (step.seconds * peak)
  }
}

extension Prediction.Breakdown {
  /// The same parts of less time: of a stage that has cores of others while these wait.
  fileprivate func shrunk(to step: Picoseconds) -> Prediction.Breakdown {
    let all = compute + communicationExposed + optimizer
    let share = Double(step.count) / Double(max(1, all.count))
    var shrunk = self
    shrunk.communicationExposed = Picoseconds(whole: Double(communicationExposed.count) * share)
    shrunk.optimizer = Picoseconds(whole: Double(optimizer.count) * share)
    shrunk.compute = step - shrunk.communicationExposed - shrunk.optimizer
    return shrunk
  }
}

extension Pricing {
  /// The prices of `lowering` on `cluster`.
  init(_ lowering: Lowering, cluster: Cluster, cost: any CostModel) {
    let choices = lowering.context.choices
    let precision = lowering.training.workload.precision
    func price(_ bodies: BlockBodies, _ parameters: [StoredParameter]) -> PricedBlock {
      PricedBlock(
        bodies, parameters: parameters, mesh: choices.mesh, precision: precision, cost: cost)
    }
    self.init(
      chain: lowering.parts(
        block: { price($0.bodies, $0.parameters + $0.copies) }, joint: { price($0, []) }),
      map: lowering.map, order: PipelineOrder(choices), mesh: choices.mesh,
      training: lowering.training, cluster: cluster, choices: choices)
  }
}

extension ChainParts<PricedBlock>.Unit {
  /// The bodies that run for every micro-batch in one of its layers.
  var everyMicroBatch: [BodySummary] {
    items.flatMap {
      [$0.item.forms.forward(recompute), $0.item.inputGradient, $0.item.weightGradient]
    }
      + again
  }

  /// What of a micro-batch goes on beside kernels in one of its layers.
  func hidden(_ cost: any CostModel, isSplit: Bool) -> Picoseconds {
    items.enumerated().reduce(.zero) { sum, entry in
      let isLast = entry.offset == items.count - 1
      return sum
        + entry.element.item.hidden(
          cost, recomputing: recompute, isLast: isLast, isSplit: isSplit)
    }
  }

  /// What one of its layers computes again, in order.
  private var again: [BodySummary] {
    items.enumerated().compactMap { index, item in
      item.item.forms.again(recompute, isLast: index == items.count - 1)
    }
  }
}

/// The FLOPs that a step of the model needs, whatever the plan computes twice.
enum ModelFlops {
  /// `6 x matmul weights x tokens + 12 x layers x batch x s^2 x heads x head width`: no causal
  /// halving, no recomputation, no padding.
  static func step(_ training: TrainingGraph) -> Double {
    let (model, workload) = (training.model, training.workload)
    let sequence = Double(workload.sequence)
    let attention =
      12 * Double(attentionLayers(model)) * Double(workload.globalBatch) * sequence * sequence
      * Double(model.sizes[.heads] * model.sizes[.headWidth])
    return 6 * Double(model.matmulWeightCount) * Double(workload.tokens) + attention
  }

  private static func attentionLayers(_ model: Model) -> Int {
    model.segments.reduce(0) { total, segment in
      total + segment.count * segment.blocks.filter { $0.blockClass == .attention }.count
    }
  }
}
