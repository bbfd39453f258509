import PlanIR

/// A block's bodies as a program numbers them.
struct CallableBlock {
  var forward, inputGradient, weightGradient, reduceGradients, optimize, settle: BodyID?
  /// Of layers that are computed again.
  var lean: [Recomputation: (forward: BodyID?, recompute: BodyID?)] = [:]
}

/// The chain of blocks as calls: which body runs where, on each stage in the order of a step.
struct Chain {
  let parts: [ChainParts<CallableBlock>.Part]
  let map: StageMap?
  let order: PipelineOrder

  init(_ chain: ChainParts<CallableBlock>, map: StageMap?, order: PipelineOrder) {
    parts = chain.parts(map)
    self.map = map
    self.order = order
  }

  struct Place {
    let position: BlockPosition
    let bodies: CallableBlock
    let recompute: Recomputation

    var forward: BodyID? { bodies.lean[recompute]?.forward ?? bodies.forward }
  }

  /// Every place of the chain, first to last.
  var positions: [BlockPosition] {
    parts.flatMap { part in layers(part.all).joined().map(\.position) }
  }

  private func layers(_ units: [ChainParts<CallableBlock>.Unit]) -> [[Place]] {
    units.flatMap { unit in
      unit.layers.map { layer in
        unit.items.map { block, item in
          Place(
            position: BlockPosition(segment: unit.segment, layer: layer, block: block),
            bodies: item, recompute: unit.recompute)
        }
      }
    }
  }

  /// The calls of each stage.
  var calls: [[Call]] { (0..<order.stages).map(calls) }

  private func calls(of stage: Int) -> [Call] {
    let chunks = (0..<order.chunks).map { parts[$0 * order.stages + stage] }
    var writer = Writer(
      chunks: chunks.map { part in
        Chunk(
          layers: layers(part.units),
          arrival: layers([part.arrival].compactMap(\.self)).first?.first,
          departure: layers([part.departure].compactMap(\.self)).first?.first)
      })
    for operation in order.operations(of: stage) { writer.append(operation) }
    writer.settleAll()
    writer.appendStep(order.microBatches - 1)
    return writer.calls
  }

  private struct Chunk {
    /// The places of each layer; embedding and head are one each.
    let layers: [[Place]]
    let arrival, departure: Place?

    var places: [Place] { layers.flatMap(\.self) }
  }

  /// Writes a stage's calls down. What was sent is settled before the next is sent the same way: one
  /// message in each direction is on its way at a time.
  private struct Writer {
    let chunks: [Chunk]
    private(set) var calls: [Call] = []
    /// The last message in either direction that is not settled.
    private var pending: [Slot: Call] = [:]

    init(chunks: [Chunk]) { self.chunks = chunks }

    mutating func append(_ operation: StageOperation) {
      switch operation {
      case .forward(let microBatch, let index):
        let chunk = chunks[index]
        receive(chunk.arrival, \.forward, .forward, microBatch, index)
        for place in chunk.places { append(place.forward, place, .forward, microBatch, index) }
        send(chunk.departure, \.forward, .forward, microBatch, index)
      case .backward(let microBatch, let index):
        gradients(microBatch, index, inputs: true, weights: true)
      case .inputGradient(let microBatch, let index):
        gradients(microBatch, index, inputs: true, weights: false)
      case .weightGradient(let microBatch, let index):
        gradients(microBatch, index, inputs: false, weights: true)
      }
    }

    private mutating func gradients(
      _ microBatch: Int, _ index: Int, inputs: Bool, weights: Bool
    ) {
      let chunk = chunks[index]
      if inputs {
        receive(chunk.departure, \.inputGradient, .inputGradient, microBatch, index)
      }
      for layer in chunk.layers.reversed() {
        if inputs { recompute(layer, microBatch, index) }
        for place in layer.reversed() {
          if inputs { append(place, \.inputGradient, .inputGradient, microBatch, index) }
          if weights { append(place, \.weightGradient, .weightGradient, microBatch, index) }
        }
      }
      if inputs { send(chunk.arrival, \.inputGradient, .inputGradient, microBatch, index) }
    }

    /// Computes what a layer left out: its blocks, and the joints between them.
    private mutating func recompute(
      _ layer: [Place], _ microBatch: Int, _ chunk: Int
    ) {
      for place in layer where place.recompute != .none {
        let isBlock = !place.bodies.lean.isEmpty
        let isInside = place.position != layer.last?.position && place.recompute == .full
        let joint = isInside ? place.bodies.forward : nil
        let body = isBlock ? place.bodies.lean[place.recompute]?.recompute : joint
        append(body, place, .recompute, microBatch, chunk)
      }
    }

    private mutating func append(
      _ place: Place, _ body: KeyPath<CallableBlock, BodyID?>, _ phase: Phase, _ microBatch: Int,
      _ chunk: Int
    ) {
      append(place.bodies[keyPath: body], place, phase, microBatch, chunk)
    }

    private mutating func append(
      _ body: BodyID?, _ place: Place, _ phase: Phase, _ microBatch: Int, _ chunk: Int
    ) {
      guard let body else { return }
      calls.append(
        Call(
          body: body, phase: phase, position: place.position, microBatch: microBatch, chunk: chunk))
    }

    private mutating func receive(
      _ place: Place?, _ body: KeyPath<CallableBlock, BodyID?>, _ phase: Phase, _ microBatch: Int,
      _ chunk: Int
    ) {
      if let place { append(place, body, phase, microBatch, chunk) }
    }

    private mutating func send(
      _ place: Place?, _ body: KeyPath<CallableBlock, BodyID?>, _ phase: Phase, _ microBatch: Int,
      _ chunk: Int
    ) {
      guard let place else { return }
      let slot: Slot = phase == .forward ? .stream : .gradient
      settle(slot)
      append(place, body, phase, microBatch, chunk)
      pending[slot] = place.bodies.settle.map {
        Call(
          body: $0, phase: phase, position: place.position, microBatch: microBatch, chunk: chunk)
      }
    }

    private mutating func settle(_ slot: Slot) {
      if let call = pending.removeValue(forKey: slot) { calls.append(call) }
    }

    mutating func settleAll() {
      settle(.stream)
      settle(.gradient)
    }

    /// Gradients are reduced and the parameters updated.
    mutating func appendStep(_ microBatch: Int) {
      for (index, chunk) in chunks.enumerated().reversed() {
        for place in chunk.places.reversed() {
          append(place, \.reduceGradients, .reduceGradients, microBatch, index)
        }
      }
      for (index, chunk) in chunks.enumerated() {
        for place in chunk.places { append(place, \.optimize, .optimize, microBatch, index) }
      }
    }
  }
}
