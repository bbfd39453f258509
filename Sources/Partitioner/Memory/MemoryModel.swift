import PlanIR

/// Runs liveness over a step's calls: what the fullest device holds, and the instant it holds most.
struct MemoryModel<Amount: MemoryAmount> {
  typealias Block = HeldBlock<Amount>
  private let parts: [ChainParts<Block>.Part]
  /// Whether these are the chunks of one stage.
  private let isOfOne: Bool
  private let order: PipelineOrder
  private let precision: Precision

  /// The memory of a chain cut into stages as `map` says; of one stage where it says nothing. Without
  /// stages one micro-batch suffices: at its end everything it allocated is free again. Where `only` names
  /// a stage, of that alone.
  init(
    chain: ChainParts<Block>, map: StageMap? = nil, order: PipelineOrder? = nil,
    precision: Precision, only: Int? = nil
  ) {
    parts = chain.parts(map, only: only)
    isOfOne = only != nil && parts.count < (map?.layers.count ?? 1)
    self.order =
      order.flatMap { $0.stages > 1 ? $0 : nil }
      ?? PipelineOrder(schedule: .none, stages: 1, chunks: 1, microBatches: 1)
    self.precision = precision
  }

  /// What is live at the peak instant of the fullest stage, by class; of several the first.
  func peak() -> Amount {
    peaks().reduce(.nothing) { $1.bytes > $0.bytes ? $1 : $0 }
  }

  /// What is live at the peak instant of each stage.
  func peaks() -> [Amount] { (0..<order.stages).map(peak) }

  /// What is live at the peak instant of `stage`.
  func peak(of stage: Int) -> Amount {
    let passes = (0..<order.chunks).map {
      Passes(part(of: stage, chunk: $0), areSplit: order.schedule == .zeroBubble)
    }
    var walk = Walk(held: stored(on: stage))
    // What was sent last forwards, and back, is settled before the next is sent the same way.
    var pending: (forward: Block.Held?, back: Block.Held?)
    func sendForward(_ body: Block?) {
      guard let body else { return }
      if let settle = pending.forward { walk.call(settle) }
      walk.call(body.forward)
      pending.forward = body.settle
    }
    func sendBack(_ body: Block?) {
      guard let body else { return }
      if let settle = pending.back { walk.call(settle) }
      walk.call(body.inputGradient)
      pending.back = body.settle
    }
    for operation in order.operations(of: stage) {
      switch operation {
      case .forward(_, let chunk):
        walk.call(passes[chunk].forward)
        sendForward(passes[chunk].departure)
      case .backward(_, let chunk):
        walk.call(passes[chunk].backward)
        sendBack(passes[chunk].arrival)
      case .inputGradient(_, let chunk):
        walk.call(passes[chunk].inputGradient)
        sendBack(passes[chunk].arrival)
      case .weightGradient(_, let chunk):
        walk.call(passes[chunk].weightGradient)
      }
    }
    for settle in [pending.forward, pending.back].compactMap(\.self) { walk.call(settle) }
    // What runs once a step leaves nothing behind: the fullest call alone decides.
    for chunk in 0..<order.chunks {
      for unit in part(of: stage, chunk: chunk).units {
        for (_, item) in unit.items {
          walk.call(item.reduceGradients)
          walk.call(item.optimize)
        }
      }
    }
    return walk.fullest
  }

  private func part(of stage: Int, chunk: Int) -> ChainParts<Block>.Part {
    parts[isOfOne ? chunk : chunk * order.stages + stage]
  }

  /// Parameters with all their parts, and the loss.
  private func stored(on stage: Int) -> Amount {
    var use = Amount.nothing
    for chunk in 0..<order.chunks {
      for unit in part(of: stage, chunk: chunk).units {
        for (_, item) in unit.items { use = use + item.stored * unit.layers.count }
      }
    }
    var loss = MemoryUse()
    loss.add(Bytes(precision.bytes(of: .statistic)), .saved)
    return use + Amount(loss)
  }

  /// The passes of a micro-batch through a virtual stage, each as if it were one body.
  private struct Passes {
    let arrival, departure: Block?
    let forward, backward, inputGradient, weightGradient: Block.Held

    /// `areSplit` says whether gradients of weights are passes of their own.
    init(_ part: ChainParts<Block>.Part, areSplit: Bool) {
      arrival = part.arrival?.items.first?.item
      departure = part.departure?.items.first?.item
      forward = Self.pass(part.units, arrival?.forward) { walk, unit in
        for (_, item) in unit.items { walk.call(item.forms.forward(unit.recompute)) }
      }
      let back = Array(part.units.reversed())
      let received = departure?.inputGradient
      guard areSplit else {
        backward = Self.pass(back, received) { walk, unit in
          for body in unit.again() { walk.call(body) }
          for (_, item) in unit.items.reversed() {
            walk.call(item.inputGradient)
            walk.call(item.weightGradient)
          }
        }
        (inputGradient, weightGradient) = (.init(), .init())
        return
      }
      backward = .init()
      inputGradient = Self.pass(back, received) { walk, unit in
        for body in unit.again() { walk.call(body) }
        for (_, item) in unit.items.reversed() { walk.call(item.inputGradient) }
      }
      weightGradient = Self.pass(back, nil) { walk, unit in
        for (_, item) in unit.items.reversed() { walk.call(item.weightGradient) }
      }
    }

    /// Layers that are alike change what is held by the same amount each, so that the fullest of them
    /// is the first or the last.
    private static func pass(
      _ units: [ChainParts<Block>.Unit], _ first: Block.Held?,
      _ layer: (inout Walk, ChainParts<Block>.Unit) -> Void
    ) -> Block.Held {
      var walk = Walk(held: .nothing)
      if let first { walk.call(first) }
      for unit in units {
        walk.repeated(unit.layers.count) { layer(&$0, unit) }
      }
      return Block.Held(peak: walk.fullest, change: walk.held)
    }
  }

  fileprivate struct Walk {
    var held: Amount
    var fullest: Amount

    init(held: Amount) {
      self.held = held
      fullest = held
    }

    mutating func call(_ body: Block.Held) {
      if held.bytes + body.peak.bytes > fullest.bytes { fullest = held + body.peak }
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

extension ChainParts.Unit {
  /// What one of its layers computes again, in order.
  fileprivate func again<Amount>() -> [HeldBlock<Amount>.Held] where Item == HeldBlock<Amount> {
    items.enumerated().compactMap { index, item in
      item.item.forms.again(recompute, isLast: index == items.count - 1)
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
