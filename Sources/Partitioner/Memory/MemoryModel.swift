import PlanIR

/// Runs liveness over a step's calls: what the fullest device holds, and the instant it holds most.
struct MemoryModel {
  private let parts: [ChainParts<PricedBlock>.Part]
  private let order: PipelineOrder
  private let precision: Precision

  /// The memory of a chain cut into stages as `map` says; of one stage where it says nothing. Without
  /// stages one micro-batch suffices: at its end everything it allocated is free again.
  init(
    chain: ChainParts<PricedBlock>, map: StageMap? = nil, order: PipelineOrder? = nil,
    precision: Precision
  ) {
    parts = chain.parts(map)
    self.order =
      order.flatMap { $0.stages > 1 ? $0 : nil }
      ?? PipelineOrder(schedule: .none, stages: 1, chunks: 1, microBatches: 1)
    self.precision = precision
  }

  /// What is live at the peak instant of the fullest stage, by class; of several the first.
  func peak() -> MemoryUse {
    peaks().reduce(MemoryUse()) { $1.program > $0.program ? $1 : $0 }
  }

  /// What is live at the peak instant of each stage.
  func peaks() -> [MemoryUse] { (0..<order.stages).map(peak) }

  /// What is live at the peak instant of `stage`.
  func peak(of stage: Int) -> MemoryUse {
    let passes = (0..<order.chunks).map {
      Passes(parts[$0 * order.stages + stage], areSplit: order.schedule == .zeroBubble)
    }
    var walk = Walk(held: stored(on: stage))
    var pending: [Int: BodySummary] = [:]
    func send(_ body: PricedBlock?, _ summary: KeyPath<PricedBlock, BodySummary>, _ way: Int) {
      guard let body else { return }
      if let settle = pending[way] { walk.call(settle) }
      walk.call(body[keyPath: summary])
      pending[way] = body.settle
    }
    for operation in order.operations(of: stage) {
      switch operation {
      case .forward(_, let chunk):
        walk.call(passes[chunk].forward)
        send(passes[chunk].departure, \.forward, 0)
      case .backward(_, let chunk):
        walk.call(passes[chunk].backward)
        send(passes[chunk].arrival, \.inputGradient, 1)
      case .inputGradient(_, let chunk):
        walk.call(passes[chunk].inputGradient)
        send(passes[chunk].arrival, \.inputGradient, 1)
      case .weightGradient(_, let chunk):
        walk.call(passes[chunk].weightGradient)
      }
    }
    for settle in pending.sorted(by: { $0.key < $1.key }) { walk.call(settle.value) }
    // What runs once a step leaves nothing behind: the fullest call alone decides.
    for chunk in 0..<order.chunks {
      for unit in parts[chunk * order.stages + stage].units {
        for (_, item) in unit.items {
          walk.call(item.reduceGradients)
          walk.call(item.optimize)
        }
      }
    }
    return walk.fullest
  }

  /// Parameters with all their parts, and the loss.
  private func stored(on stage: Int) -> MemoryUse {
    var use = MemoryUse()
    for chunk in 0..<order.chunks {
      for unit in parts[chunk * order.stages + stage].units {
        for (_, item) in unit.items { use = use + item.stored * unit.layers.count }
      }
    }
    use.add(Bytes(precision.bytes(of: .statistic)), .saved)
    return use
  }

  /// The passes of a micro-batch through a virtual stage, each as if it were one body.
  private struct Passes {
    let arrival, departure: PricedBlock?
    let forward, backward, inputGradient, weightGradient: BodySummary

    /// `areSplit` says whether gradients of weights are passes of their own.
    init(_ part: ChainParts<PricedBlock>.Part, areSplit: Bool) {
      arrival = part.arrival?.items.first?.item
      departure = part.departure?.items.first?.item
      forward = Self.pass(part.units, arrival?.forward) { walk, unit in
        for (_, item) in unit.items { walk.call(item.forward(unit.recompute)) }
      }
      let back = Array(part.units.reversed())
      let received = departure?.inputGradient
      func pass(
        _ received: BodySummary?, again: Bool, _ bodies: [KeyPath<PricedBlock, BodySummary>]
      ) -> BodySummary {
        Self.pass(back, received) { walk, unit in
          if again { for body in unit.again { walk.call(body) } }
          for (_, item) in unit.items.reversed() {
            for body in bodies { walk.call(item[keyPath: body]) }
          }
        }
      }
      guard areSplit else {
        backward = pass(received, again: true, [\.inputGradient, \.weightGradient])
        (inputGradient, weightGradient) = (BodySummary(), BodySummary())
        return
      }
      backward = BodySummary()
      inputGradient = pass(received, again: true, [\.inputGradient])
      weightGradient = pass(nil, again: false, [\.weightGradient])
    }

    /// Layers that are alike change what is held by the same amount each, so that the fullest of them
    /// is the first or the last.
    private static func pass(
      _ units: [ChainParts<PricedBlock>.Unit], _ first: BodySummary?,
      _ layer: (inout Walk, ChainParts<PricedBlock>.Unit) -> Void
    ) -> BodySummary {
      var walk = Walk(held: MemoryUse())
      if let first { walk.call(first) }
      for unit in units {
        walk.repeated(unit.layers.count) { layer(&$0, unit) }
      }
      var summary = BodySummary()
      (summary.peak, summary.change) = (walk.fullest, walk.held)
      return summary
    }
  }

  fileprivate struct Walk {
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
      guard count > 0 else { return }
      let before = held
      layer(&self)
      guard count > 1 else { return }
      let change = held + before * -1
      held = held + change * (count - 2)
      layer(&self)
    }
  }
}

extension ChainParts<PricedBlock>.Unit {
  /// What one of its layers computes again, in order.
  var again: [BodySummary] {
    items.enumerated().compactMap { index, item in
      item.item.again(recompute, isLast: index == items.count - 1)
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
