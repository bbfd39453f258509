import PlanIR

/// Finds how many layers of each stage must be recomputed for a plan to fit: as few as can be, for each
/// takes time and none saves any.
///
/// Stages do not depend on each other: what a stage holds follows from its own layers, for its
/// micro-batches in flight are the schedule's. More layers recomputed never hold more between calls;
/// a stage that recomputes one holds that layer's forward pass again, so that the first layer may
/// cost memory. The fewest that fit are found by trying none, then halving from all.
struct LeastRecomputation {
  private let pricing: Pricing
  private let choices: PlanChoices
  private let limit: Bytes?

  /// For `choices`, with the prices of a chain whose layers may all be recomputed.
  init(_ choices: PlanChoices, _ pricing: Pricing, limit: Bytes?) {
    self.pricing = pricing
    self.choices = choices
    self.limit = limit
  }

  /// The choices with the fewest layers recomputed on each stage; all layers where none fits.
  func fitted() throws(ConstraintViolation) -> PlanChoices {
    var counts = choices.stages.map { _ in 0 }
    for stage in counts.indices where try !fits(stage, 0, counts) {
      var (low, high) = (1, max(choices.stages[stage].layers, 1))
      while low < high {
        let middle = (low + high) / 2
        if try fits(stage, middle, counts) { high = middle } else { low = middle + 1 }
      }
      counts[stage] = min(high, choices.stages[stage].layers)
    }
    return choices.recomputing(counts)
  }

  /// Whether `stage` fits with `count` of its layers recomputed.
  private func fits(
    _ stage: Int, _ count: Int, _ counts: [Int]
  ) throws(ConstraintViolation) -> Bool {
    guard let limit else { return true }
    var counts = counts
    counts[stage] = count
    let map = try StageMap(choices.recomputing(counts))
    return pricing.peak(of: stage, map).program + pricing.cluster.device.framework <= limit
  }
}

extension Pricing {
  /// What a stage holds at its fullest instant where layers lie, and are recomputed, as `map` says.
  func peak(of stage: Int, _ map: StageMap) -> MemoryUse {
    MemoryModel(
      chain: chain, map: map, order: order, precision: training.workload.precision
    ).peak(of: stage)
  }
}

extension PlanChoices {
  /// These choices with the first `counts` layers of each stage recomputed whole.
  func recomputing(_ counts: [Int]) -> PlanChoices {
    var choices = self
    choices.stages = zip(stages, counts).map { stage, count in
      StageChoice(
        layers: stage.layers, recomputeNone: stage.layers - count, recomputeFull: count)
    }
    let isNone = counts.allSatisfy { $0 == 0 }
    let isFull = zip(stages, counts).allSatisfy { $0.layers == $1 }
    choices.recompute = isNone ? .none : isFull ? .full : .mixed
    return choices
  }
}
