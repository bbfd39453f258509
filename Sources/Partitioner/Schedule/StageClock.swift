package import PlanIR

/// What one micro-batch takes on a virtual stage.
package struct PassTimes: Hashable, Sendable {
  /// On its way from the stage before, computed, and made ready for the next.
  package var forwardReceive, forward, forwardSend: Picoseconds
  /// The gradient, from the stage after and to the one before.
  package var gradientReceive, inputGradient, gradientSend: Picoseconds
  package var weightGradient: Picoseconds

  package init(
    forwardReceive: Picoseconds = .zero, forward: Picoseconds, forwardSend: Picoseconds = .zero,
    gradientReceive: Picoseconds = .zero, inputGradient: Picoseconds,
    gradientSend: Picoseconds = .zero, weightGradient: Picoseconds
  ) {
    self.forwardReceive = forwardReceive
    self.forward = forward
    self.forwardSend = forwardSend
    self.gradientReceive = gradientReceive
    self.inputGradient = inputGradient
    self.gradientSend = gradientSend
    self.weightGradient = weightGradient
  }
}

/// When each stage does what: the stages' orders run against each other, messages taking their time,
/// as a program's calls run.
package struct StageClock {
  /// What a stage does, from when to when; receiving and waiting left out.
  package struct Span: Hashable, Sendable {
    package var operation: StageOperation
    package var start, end: Picoseconds
  }

  /// When each stage has done its last micro-batch.
  package private(set) var ends: [Picoseconds]
  package private(set) var spans: [[Span]]
  private let order: PipelineOrder
  private let times: [PassTimes]
  private let operations: [[StageOperation]]
  private var next: [Int]
  /// Whether a stage has received what its next operation needs and waits to send.
  private var mustSend: [Bool]
  private var forward, gradient: Mail

  /// One direction's messages: when each was sent and received, by the sender's virtual stage and
  /// micro-batch, and which each stage has on its way.
  private struct Mail {
    var sent, received: [[Picoseconds?]]
    var pending: [(sender: Int, microBatch: Int)?]

    init(_ order: PipelineOrder) {
      let none = [Picoseconds?](repeating: nil, count: order.microBatches)
      sent = Array(repeating: none, count: order.stages * order.chunks)
      received = sent
      pending = Array(repeating: nil, count: order.stages)
    }
  }

  /// Runs `order` with the times of each virtual stage; nil where stages would wait for each other for
  /// ever.
  package init?(_ order: PipelineOrder, times: [PassTimes]) {
    self.order = order
    self.times = times
    operations = (0..<order.stages).map(order.operations)
    ends = Array(repeating: .zero, count: order.stages)
    spans = Array(repeating: [], count: order.stages)
    next = Array(repeating: 0, count: order.stages)
    mustSend = Array(repeating: false, count: order.stages)
    (forward, gradient) = (Mail(order), Mail(order))
    var moved = true
    while moved {
      moved = false
      for stage in 0..<order.stages {
        while advance(stage) { moved = true }
      }
    }
    for stage in 0..<order.stages {
      guard next[stage] == operations[stage].count, settle(stage, \.forward),
        settle(stage, \.gradient)
      else { return nil }
    }
  }

  /// Takes `stage` one operation, or half of one, on; false where it must wait or has ended.
  private mutating func advance(_ stage: Int) -> Bool {
    guard next[stage] < operations[stage].count else { return false }
    let operation = operations[stage][next[stage]]
    switch operation {
    case .forward(let microBatch, let chunk):
      let place = chunk * order.stages + stage
      let time = times[place]
      return pass(
        stage, operation, \.forward, from: place > 0 ? place - 1 : nil, at: place,
        sends: place + 1 < times.count, microBatch, time.forwardReceive, time.forward,
        time.forwardSend)
    case .backward(let microBatch, let chunk):
      return backward(stage, operation, microBatch, chunk, weights: true)
    case .inputGradient(let microBatch, let chunk):
      return backward(stage, operation, microBatch, chunk, weights: false)
    case .weightGradient(_, let chunk):
      run(stage, operation, times[chunk * order.stages + stage].weightGradient)
      next[stage] += 1
      return true
    }
  }

  private mutating func backward(
    _ stage: Int, _ operation: StageOperation, _ microBatch: Int, _ chunk: Int, weights: Bool
  ) -> Bool {
    let place = chunk * order.stages + stage
    let time = times[place]
    return pass(
      stage, operation, \.gradient, from: place + 1 < times.count ? place + 1 : nil, at: place,
      sends: place > 0, microBatch, time.gradientReceive,
      time.inputGradient + (weights ? time.weightGradient : .zero), time.gradientSend)
  }

  /// Receives, computes and sends on.
  private mutating func pass(
    _ stage: Int, _ operation: StageOperation, _ mail: WritableKeyPath<StageClock, Mail>,
    from sender: Int?, at place: Int, sends: Bool, _ microBatch: Int, _ receive: Picoseconds,
    _ compute: Picoseconds, _ send: Picoseconds
  ) -> Bool {
    if !mustSend[stage] {
      if let sender {
        guard let sent = self[keyPath: mail].sent[sender][microBatch] else { return false }
        ends[stage] = max(ends[stage], sent) + receive
        self[keyPath: mail].received[sender][microBatch] = ends[stage]
      }
      run(stage, operation, compute)
      guard sends else {
        next[stage] += 1
        return true
      }
      mustSend[stage] = true
    }
    guard settle(stage, mail) else { return false }
    ends[stage] = ends[stage] + send
    self[keyPath: mail].sent[place][microBatch] = ends[stage]
    self[keyPath: mail].pending[stage] = (place, microBatch)
    mustSend[stage] = false
    next[stage] += 1
    return true
  }

  private mutating func run(_ stage: Int, _ operation: StageOperation, _ time: Picoseconds) {
    let start = ends[stage]
    ends[stage] = start + time
    spans[stage].append(Span(operation: operation, start: start, end: ends[stage]))
  }

  /// Waits for what the stage sent last in one direction to be received.
  private mutating func settle(
    _ stage: Int, _ mail: WritableKeyPath<StageClock, Mail>
  ) -> Bool {
    guard let pending = self[keyPath: mail].pending[stage] else { return true }
    guard let received = self[keyPath: mail].received[pending.sender][pending.microBatch] else {
      return false
    }
    ends[stage] = max(ends[stage], received)
    self[keyPath: mail].pending[stage] = nil
    return true
  }
}
