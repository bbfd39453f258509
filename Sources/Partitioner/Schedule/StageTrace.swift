/// What stages do in an order in which all that one waits for stands before it: found once for an order
/// of micro-batches, for it does not depend on how long anything takes.
package struct StageTrace: Sendable {
  package let order: PipelineOrder
  private(set) var events: [Event] = []
  /// Messages are numbered by direction, the sender's virtual stage and micro-batch.
  let messageCount: Int

  /// One thing that a stage does. Numbers are small, for a long step has many of them.
  struct Event: Sendable {
    let kind: Kind
    let stage: Int32
    /// The message that is received, sent or waited for; 0 of a run.
    let message: Int32
    /// What it takes, numbered as ``StageTrace/number(_:_:)`` says; 0 of what takes no time itself.
    let duration: Int32
  }

  enum Kind: UInt8, Sendable {
    /// Waits until a message was sent, then for it to arrive.
    case receive
    /// Computes.
    case run
    /// Waits until the message that the stage sent before was received.
    case settle
    /// Makes a message ready.
    case send
  }

  /// What takes time on a virtual stage.
  enum Duration: Int, CaseIterable {
    case forwardReceive, forward, forwardSend
    case gradientReceive, inputGradient, weightGradient, gradientSend
    /// Both gradients.
    case backward
  }

  /// The number of a duration of virtual stage `place`.
  static func number(_ duration: Duration, _ place: Int) -> Int {
    place * Duration.allCases.count + duration.rawValue
  }

  /// Follows `order`; nil where stages would wait for each other for ever.
  package init?(_ order: PipelineOrder) {
    self.order = order
    var walk = Walk(order)
    messageCount = walk.isSent.count
    guard walk.finish() else { return nil }
    events = walk.events
  }
}

/// Stages that go on as far as they can, in turn.
private struct Walk {
  private let order: PipelineOrder
  private let operations: [[StageOperation]]
  private(set) var events: [StageTrace.Event] = []
  private(set) var isSent, isReceived: [Bool]
  private var next: [Int]
  /// Whether a stage has computed its next operation and waits to send what came of it.
  private var mustSend: [Bool]
  /// What each stage has on its way, by direction.
  private var pending: [[Int?]]

  private enum Direction: Int, CaseIterable { case forward, gradient }

  /// A pass of a micro-batch through a virtual stage.
  private struct Pass {
    let direction: Direction
    let microBatch, place: Int
    /// The virtual stages that it comes from and goes to.
    let sender, receiver: Int?
    let compute: StageTrace.Duration
  }

  init(_ order: PipelineOrder) {
    self.order = order
    operations = (0..<order.stages).map(order.operations)
    let messages = order.stages * order.chunks * order.microBatches
    isSent = Array(repeating: false, count: messages * Direction.allCases.count)
    isReceived = isSent
    next = Array(repeating: 0, count: order.stages)
    mustSend = Array(repeating: false, count: order.stages)
    pending = Direction.allCases.map { _ in Array(repeating: nil, count: order.stages) }
  }

  /// Walks to the end; false where it does not get there.
  mutating func finish() -> Bool {
    var moved = true
    while moved {
      moved = false
      for stage in 0..<order.stages {
        while advance(stage) { moved = true }
      }
    }
    return (0..<order.stages).allSatisfy { stage in
      next[stage] == operations[stage].count && settle(stage, .forward)
        && settle(stage, .gradient)
    }
  }

  /// Takes `stage` one operation, or half of one, on; false where it must wait or has ended.
  private mutating func advance(_ stage: Int) -> Bool {
    guard next[stage] < operations[stage].count else { return false }
    switch operations[stage][next[stage]] {
    case .forward(let microBatch, let chunk):
      let place = chunk * order.stages + stage
      return pass(
        stage,
        Pass(
          direction: .forward, microBatch: microBatch, place: place, sender: real(place - 1),
          receiver: real(place + 1), compute: .forward))
    case .backward(let microBatch, let chunk):
      return gradient(stage, microBatch, chunk, .backward)
    case .inputGradient(let microBatch, let chunk):
      return gradient(stage, microBatch, chunk, .inputGradient)
    case .weightGradient(_, let chunk):
      add(.run, stage, takes: .weightGradient, chunk * order.stages + stage)
      next[stage] += 1
      return true
    }
  }

  private mutating func gradient(
    _ stage: Int, _ microBatch: Int, _ chunk: Int, _ compute: StageTrace.Duration
  ) -> Bool {
    let place = chunk * order.stages + stage
    return pass(
      stage,
      Pass(
        direction: .gradient, microBatch: microBatch, place: place, sender: real(place + 1),
        receiver: real(place - 1), compute: compute))
  }

  private func real(_ place: Int) -> Int? {
    (0..<order.stages * order.chunks).contains(place) ? place : nil
  }

  /// Receives, computes and sends on.
  private mutating func pass(_ stage: Int, _ pass: Pass) -> Bool {
    let isForward = pass.direction == .forward
    if !mustSend[stage] {
      if let sender = pass.sender {
        let message = message(pass.direction, sender, pass.microBatch)
        guard isSent[message] else { return false }
        add(
          .receive, stage, message, takes: isForward ? .forwardReceive : .gradientReceive,
          pass.place)
        isReceived[message] = true
      }
      add(.run, stage, takes: pass.compute, pass.place)
      mustSend[stage] = pass.receiver != nil
    }
    if mustSend[stage] {
      guard settle(stage, pass.direction) else { return false }
      let message = message(pass.direction, pass.place, pass.microBatch)
      add(.send, stage, message, takes: isForward ? .forwardSend : .gradientSend, pass.place)
      isSent[message] = true
      pending[pass.direction.rawValue][stage] = message
      mustSend[stage] = false
    }
    next[stage] += 1
    return true
  }

  /// Waits for what the stage sent last in one direction to be received.
  private mutating func settle(_ stage: Int, _ direction: Direction) -> Bool {
    guard let message = pending[direction.rawValue][stage] else { return true }
    guard isReceived[message] else { return false }
    events.append(
      StageTrace.Event(kind: .settle, stage: Int32(stage), message: Int32(message), duration: 0))
    pending[direction.rawValue][stage] = nil
    return true
  }

  private func message(_ direction: Direction, _ sender: Int, _ microBatch: Int) -> Int {
    (direction.rawValue * order.stages * order.chunks + sender) * order.microBatches + microBatch
  }

  private mutating func add(
    _ kind: StageTrace.Kind, _ stage: Int, _ message: Int = 0,
    takes duration: StageTrace.Duration, _ place: Int
  ) {
    events.append(
      StageTrace.Event(
        kind: kind, stage: Int32(stage), message: Int32(message),
        duration: Int32(StageTrace.number(duration, place))))
  }
}
