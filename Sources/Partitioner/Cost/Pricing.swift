import PlanIR

/// Prices a lowered plan without unrolling it: each body once, times its calls.
struct Pricing {
  let lowering: Lowering
  let cluster: Cluster
  let cost: any CostModel
  private var breakdown = Prediction.Breakdown()
  private var traffic: [BodySummary.TrafficKey: BodySummary.TrafficSum] = [:]
  private var summaries: [[BlockSummaries]] = []

  /// The summaries of a block's bodies.
  struct BlockSummaries {
    var forward, inputGradient, weightGradient: BodySummary
    var reduceGradients, optimize: BodySummary?
  }

  /// The prediction for `lowering` on `cluster`.
  static func prediction(
    _ lowering: Lowering, cluster: Cluster, cost: any CostModel
  ) -> Prediction {
    var pricing = Pricing(lowering: lowering, cluster: cluster, cost: cost)
    pricing.summarise()
    pricing.addTimes()
    return pricing.prediction()
  }

  private init(lowering: Lowering, cluster: Cluster, cost: any CostModel) {
    self.lowering = lowering
    self.cluster = cluster
    self.cost = cost
  }

  private var choices: PlanChoices { lowering.context.choices }
  private var workload: Workload { lowering.training.workload }

  private func summary(_ body: Body) -> BodySummary {
    BodySummary(body, mesh: choices.mesh, precision: workload.precision, cost: cost)
  }

  private mutating func summarise() {
    summaries = lowering.blocks.map { segment in
      segment.map { block in
        BlockSummaries(
          forward: summary(block.forward), inputGradient: summary(block.inputGradient),
          weightGradient: summary(block.weightGradient),
          reduceGradients: block.reduceGradients.map { summary($0) },
          optimize: block.optimize.map { summary($0) })
      }
    }
  }

  private mutating func addTimes() {
    for (segment, blocks) in zip(lowering.training.segments, summaries) {
      for block in blocks {
        let everyMicroBatch = segment.count * choices.microBatches
        for body in [block.forward, block.inputGradient, block.weightGradient] {
          breakdown.compute += body.kernels * everyMicroBatch
          add(body, times: everyMicroBatch)
        }
        if let reduce = block.reduceGradients {
          // The loss, in the last block only, is reduced with its gradients.
          breakdown.compute += reduce.kernels * segment.count
          add(reduce, times: segment.count)
        }
        if let optimize = block.optimize {
          breakdown.optimizer += optimize.kernels * segment.count
        }
      }
    }
  }

  private mutating func add(_ body: BodySummary, times: Int) {
    for (key, sum) in body.traffic {
      traffic[key, default: .init()].bytes += sum.bytes * times
      traffic[key, default: .init()].time += sum.time * times
      breakdown.communicationExposed += sum.time * times
    }
  }

  private func prediction() -> Prediction {
    let step =
      breakdown.compute + breakdown.communicationExposed + breakdown.bubble + breakdown.optimizer
    var memory = MemoryModel(lowering: lowering, summaries: summaries).peak()
    memory.framework = cluster.device.framework
    return Prediction(
      step: step, utilization: utilization(step), breakdown: breakdown, memory: memory,
      communication: communication())
  }

  /// Entries by axis in mesh order, then by collective's name.
  private func communication() -> [Prediction.Traffic] {
    let mesh = choices.mesh
    let keys = traffic.keys.sorted { left, right in
      left.axes == right.axes
        ? left.collective < right.collective : left.axes.lexicographicallyPrecedes(right.axes)
    }
    return keys.compactMap { key in
      guard let sum = traffic[key], sum.bytes > 0 else { return nil }
      return Prediction.Traffic(
        axis: mesh.name(of: key.axes), collective: key.collective, total: Bytes(sum.bytes),
        time: sum.time, exposed: sum.time)
    }
  }

  private func utilization(_ step: Picoseconds) -> Double {
    let peak = cluster.device.matmulFlops16 * Double(choices.mesh.deviceCount)
    guard step > .zero else { return 0 }
    return ModelFlops.step(lowering.training) / (step.seconds * peak)
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
