import PlanIR

/// Runs liveness over a step's calls: what the fullest device holds, and the instant it holds most.
struct MemoryModel {
  let chain: ChainParts<PricedBlock>
  let precision: Precision

  /// What is live at the peak instant, by class.
  ///
  /// One micro-batch suffices: at its end everything it allocated is free again. Layers that are
  /// alike change what is held by the same amount each, so that the fullest of them is the first or
  /// the last.
  func peak() -> MemoryUse {
    var walk = Walk(held: stored)
    let units = chain.units
    for unit in units {
      walk.repeated(unit.layers.count) { walk in
        for (_, item) in unit.items { walk.call(item.forward) }
      }
    }
    for unit in units.reversed() {
      walk.repeated(unit.layers.count) { walk in
        for (_, item) in unit.items.reversed() {
          walk.call(item.inputGradient)
          walk.call(item.weightGradient)
        }
      }
    }
    return walk.fullest
  }

  /// Parameters with all their parts, and the loss.
  private var stored: MemoryUse {
    var use = MemoryUse()
    for unit in chain.units {
      for (_, item) in unit.items { use = use + item.stored * unit.layers.count }
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
      if (held.program + body.peak.program) > fullest.program { fullest = held + body.peak }
      held = held + body.change
    }

    /// The calls of `count` layers that are alike: the first, those between by what it changed, and
    /// the last.
    mutating func repeated(_ count: Int, _ layer: (inout Walk) -> Void) {
      let before = held
      layer(&self)
      guard count > 1 else { return }
      let change = held + before * -1
      held = held + change * (count - 2)
      layer(&self)
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

  /// Class by class.
  static func * (left: MemoryUse, right: Int) -> MemoryUse {
    var product = MemoryUse()
    product.weights = Bytes(left.weights.count * right)
    product.gradients = Bytes(left.gradients.count * right)
    product.optimizer = Bytes(left.optimizer.count * right)
    product.activations = Bytes(left.activations.count * right)
    product.workspace = Bytes(left.workspace.count * right)
    product.framework = Bytes(left.framework.count * right)
    return product
  }
}
