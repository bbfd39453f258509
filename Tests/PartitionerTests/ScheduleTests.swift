import Partitioner
import PlanIR
import Testing

/// Orders of micro-batches, against closed forms and on random durations.
@Suite struct ScheduleTests {
  struct Case: Sendable, CustomStringConvertible {
    var schedule: PipelineSchedule
    var stages, chunks, microBatches: Int

    var order: PipelineOrder {
      PipelineOrder(
        schedule: schedule, stages: stages, chunks: chunks, microBatches: microBatches)
    }

    var description: String {
      "\(schedule.rawValue) \(stages) stages, \(chunks) chunks, \(microBatches) micro-batches"
    }
  }

  static var cases: [Case] {
    let whole = [PipelineSchedule.gpipe, .oneForwardOneBackward, .zeroBubble].flatMap { schedule in
      [2, 3, 4, 7, 8].flatMap { stages in
        [1, 2, stages - 1, stages, stages + 1, 3 * stages].map {
          Case(schedule: schedule, stages: stages, chunks: 1, microBatches: $0)
        }
      }
    }
    let cut = [2, 3, 4, 8].flatMap { stages in
      [2, 3, 5].flatMap { chunks in
        [1, 2, 3, 5].map {
          Case(
            schedule: .interleaved, stages: stages, chunks: chunks, microBatches: $0 * stages)
        }
      }
    }
    return whole + cut
  }

  @Test(arguments: cases)
  func `each pass of each micro-batch and chunk is there once`(test: Case) {
    for stage in 0..<test.stages {
      let operations = test.order.operations(of: stage)
      #expect(Set(operations).count == operations.count)
      let forward = operations.count { if case .forward = $0 { true } else { false } }
      #expect(forward == test.microBatches * test.chunks)
      let perPass = test.schedule == .zeroBubble ? 3 : 2
      #expect(operations.count == perPass * test.microBatches * test.chunks)
    }
  }

  private func uniform(_ test: Case, _ forward: Int, _ input: Int, _ weight: Int) -> [PassTimes] {
    Array(
      repeating: PassTimes(
        forward: Picoseconds(forward), inputGradient: Picoseconds(input),
        weightGradient: Picoseconds(weight)),
      count: test.stages * test.chunks)
  }

  /// The bubble over the time of all micro-batches on a stage: (P - 1) passes forward and back of one
  /// chunk; of ZB-H1 (Qi et al., 2023, table 1) (P - 1)(F + B - W), where there are micro-batches
  /// enough to fill.
  @Test(arguments: cases)
  func `on equal stages the bubble is the published one`(test: Case) throws {
    let (forward, input, weight) = (10, 11, 9)
    let clock = try #require(StageClock(test.order, times: uniform(test, forward, input, weight)))
    let work = test.microBatches * test.chunks * (forward + input + weight)
    let bubble = (clock.ends.max() ?? .zero).count - work
    switch test.schedule {
    case .zeroBubble:
      guard test.microBatches >= test.stages else { return }
      #expect(bubble == (test.stages - 1) * (forward + input - weight))
    default:
      #expect(bubble == (test.stages - 1) * (forward + input + weight))
    }
  }

  @Test(arguments: cases)
  func `micro-batches in flight are as many as the schedule says`(test: Case) {
    for stage in 0..<test.stages {
      var (held, most) = (0, 0)
      for operation in test.order.operations(of: stage) {
        switch operation {
        case .forward: held += 1
        case .backward, .weightGradient: held -= 1
        case .inputGradient: break
        }
        most = max(most, held)
      }
      let (stages, chunks, all) = (test.stages, test.chunks, test.microBatches * test.chunks)
      let expected =
        switch test.schedule {
        case .gpipe, .none: all
        case .oneForwardOneBackward: min(stages - stage, all)
        // What waits for its weight gradient is held too: as many as the first stage holds.
        case .zeroBubble: min(stages, all)
        case .interleaved:
          test.microBatches == stages
            ? all : min(2 * (stages - 1 - stage) + (chunks - 1) * stages + 1, all)
        }
      #expect(most == expected, "stage \(stage)")
    }
  }

  /// An execution that knows nothing of orders' code: repeatedly the first operation of any stage whose
  /// inputs are ready, at the longest path to it.
  @Test func `the clock is the longest path on random durations`() throws {
    var generator = SystemRandomNumberGenerator()
    let seed = UInt64.random(in: 0...UInt64.max, using: &generator)
    var random = SplitMix(state: seed)
    for round in 0..<10_000 {
      let test = Self.cases[Int(random.next() % UInt64(Self.cases.count))]
      let times = (0..<test.stages * test.chunks).map { _ in
        func draw(_ most: UInt64) -> Picoseconds { Picoseconds(Int(random.next() % most)) }
        return PassTimes(
          forwardReceive: draw(20), forward: draw(1000), forwardSend: draw(10),
          gradientReceive: draw(20), inputGradient: draw(1000), gradientSend: draw(10),
          weightGradient: draw(1000))
      }
      let clock = try #require(StageClock(test.order, times: times))
      let expected = LongestPath(test.order, times).ends
      #expect(clock.ends.map(\.count) == expected, "\(test), round \(round), seed \(seed)")
      guard clock.ends.map(\.count) == expected else { return }
    }
  }

  @Test func `a zero-bubble step is shorter than 1f1b's wherever weights' gradients take time`()
    throws
  {
    for (stages, microBatches) in [(2, 2), (4, 8), (8, 8), (8, 32)] {
      func end(_ schedule: PipelineSchedule) throws -> Int {
        let test = Case(
          schedule: schedule, stages: stages, chunks: 1, microBatches: microBatches)
        let clock = try #require(StageClock(test.order, times: uniform(test, 10, 10, 10)))
        return (clock.ends.max() ?? .zero).count
      }
      let (zero, plain) = (try end(.zeroBubble), try end(.oneForwardOneBackward))
      #expect(zero < plain)
    }
  }

  @Test(arguments: [
    (80, 7, [11, 11, 11, 12, 12, 12, 11]), (30, 4, [7, 8, 8, 7]), (3, 3, [1, 1, 1]),
    (5, 2, [3, 2]), (12, 4, [3, 3, 3, 3]), (8, 3, [3, 3, 2]), (2, 1, [2]),
  ])
  func `layers go to stages evenly, what is left over inside first`(
    layers: Int, stages: Int, expected: [Int]
  ) {
    let counts = StageMap.even(layers: layers, stages: stages)
    #expect(counts == expected)
  }
}

/// Times of operations as the longest path through their dependencies, found by relaxation until
/// nothing moves.
private struct LongestPath {
  private(set) var ends: [Int] = []

  init(_ order: PipelineOrder, _ times: [PassTimes]) {
    let operations = (0..<order.stages).map { order.operations(of: $0) }
    let last = times.count - 1
    // For each stage and operation: when what it needs is received, when it has sent.
    var received = operations.map { $0.map { _ in 0 } }
    var sent = received
    func find(_ stage: Int, _ wanted: (StageOperation) -> Bool) -> Int? {
      operations[stage].firstIndex(where: wanted)
    }
    func isForward(_ operation: StageOperation) -> Bool {
      if case .forward = operation { true } else { false }
    }
    func isWeight(_ operation: StageOperation) -> Bool {
      if case .weightGradient = operation { true } else { false }
    }
    func key(_ operation: StageOperation) -> (microBatch: Int, chunk: Int) {
      switch operation {
      case .forward(let microBatch, let chunk), .backward(let microBatch, let chunk),
        .inputGradient(let microBatch, let chunk), .weightGradient(let microBatch, let chunk):
        (microBatch, chunk)
      }
    }
    func place(_ stage: Int, _ operation: StageOperation) -> Int {
      key(operation).chunk * order.stages + stage
    }
    /// The operation that sends to, or receives from, one.
    func other(_ stage: Int, _ operation: StageOperation, by shift: Int) -> (Int, Int)? {
      let target = place(stage, operation) + shift
      guard (0...last).contains(target) else { return nil }
      let (other, chunk) = (target % order.stages, target / order.stages)
      let index = find(other) {
        isForward($0) == isForward(operation) && !isWeight($0) && key($0).chunk == chunk
          && key($0).microBatch == key(operation).microBatch
      }
      return index.map { (other, $0) }
    }
    var moved = true
    while moved {
      moved = false
      for stage in operations.indices {
        var clock = 0
        var pending: [Bool: (Int, Int)] = [:]
        for (index, operation) in operations[stage].enumerated() {
          let time = times[place(stage, operation)]
          let forward = isForward(operation)
          if isWeight(operation) {
            clock += time.weightGradient.count
            continue
          }
          if let (other, from) = other(stage, operation, by: forward ? -1 : 1) {
            clock =
              max(clock, sent[other][from])
              + (forward ? time.forwardReceive : time.gradientReceive).count
          }
          if clock != received[stage][index] { moved = true }
          received[stage][index] = clock
          clock += (forward ? time.forward : time.inputGradient).count
          if case .backward = operation { clock += time.weightGradient.count }
          guard let receiver = other(stage, operation, by: forward ? 1 : -1) else { continue }
          if let before = pending[forward] { clock = max(clock, received[before.0][before.1]) }
          clock += (forward ? time.forwardSend : time.gradientSend).count
          if clock != sent[stage][index] { moved = true }
          sent[stage][index] = clock
          pending[forward] = receiver
        }
        for (_, receiver) in pending { clock = max(clock, received[receiver.0][receiver.1]) }
        if ends.count <= stage { ends.append(clock) } else { ends[stage] = clock }
      }
    }
  }
}
