import PlanIR

/// Runs liveness over a step's calls: what every device holds, and the instant it holds most.
struct MemoryModel {
  let lowering: Lowering
  let summaries: [[Pricing.BlockSummaries]]

  /// What is live at the peak instant, by class; every device of a mesh without pipeline holds the
  /// same.
  ///
  /// One micro-batch suffices: at its end everything it allocated is free again.
  func peak() -> MemoryUse {
    var walk = Walk(held: stored)
    let counts = lowering.training.segments.map(\.count)
    for (segment, blocks) in summaries.enumerated() {
      for _ in 0..<counts[segment] { for block in blocks { walk.call(block.forward) } }
    }
    for (segment, blocks) in summaries.enumerated().reversed() {
      for _ in 0..<counts[segment] {
        for block in blocks.reversed() {
          walk.call(block.inputGradient)
          walk.call(block.weightGradient)
        }
      }
    }
    return walk.fullest
  }

  /// Parameters with all their parts, and the loss.
  private var stored: MemoryUse {
    var use = MemoryUse()
    let precision = lowering.training.workload.precision
    for parameter in lowering.parameters {
      let elements = parameter.type.localCount * parameter.repetitions
      for part in parameter.parts {
        use.add(Bytes(elements * precision.bytes(of: part.width)), part.bufferClass)
      }
    }
    use.add(Bytes(precision.bytes(of: .statistic)), .saved)
    return use
  }

  private struct Walk {
    var held: MemoryUse
    var fullest: MemoryUse

    init(held: MemoryUse) {
      self.held = held
      fullest = held
    }

    mutating func call(_ body: BodySummary) {
      let peak = held + body.peak
      if peak.program > fullest.program { fullest = peak }
      held = held + body.change
    }
  }
}

extension MemoryUse {
  /// Class by class.
  static func + (left: MemoryUse, right: MemoryUse) -> MemoryUse {
    var sum = left
    sum.weights += right.weights
    sum.gradients += right.gradients
    sum.optimizer += right.optimizer
    sum.activations += right.activations
    sum.workspace += right.workspace
    sum.framework += right.framework
    return sum
  }
}
