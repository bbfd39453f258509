import Partitioner
import PlanIR
import Testing

/// Steps of stages whose threads share cores, against cases by hand and a simulation.
@Suite struct SharedTimelineTests {
  /// Four stages of a thread each on two cores: a pass takes 10 alone, 20 stretched. Forward there work, pass
  /// by pass, 1, 2, 3, 3, 2, 1 stages, and as many backward: 10 each of one or two, 15 of three.
  @Test(arguments: [
    // Micro-batches, what stages do on average, the clock's end on a core for each, the step.
    (1, 40, 80, 80), (2, 80, 100, 100), (3, 120, 120, 140), (4, 160, 140, 180),
  ])
  func `cores that idle while a pipeline fills and drains make its step longer`(
    microBatches: Int, mean: Int, alone: Int, step: Int
  ) throws {
    let busy = try clock(.gpipe, stages: 4, microBatches, each: 20).busy
    let found = SharedCores(contention: 2).step(busy)
    #expect(busy.mean == mean && busy.makespan / 2 == alone)
    #expect(found == step)
  }

  @Test(arguments: [PipelineSchedule.gpipe, .oneForwardOneBackward, .zeroBubble])
  func `stages of as many threads as cores take what they do on average`(
    schedule: PipelineSchedule
  ) throws {
    for stages in [2, 3, 4] {
      let busy = try clock(schedule, stages: stages, 2, each: 20).busy
      let each = schedule == .gpipe ? 40 : 60
      #expect(SharedCores(contention: Double(stages)).step(busy) == 2 * each)
    }
  }

  private func clock(
    _ schedule: PipelineSchedule, stages: Int, _ microBatches: Int, each: Int
  ) throws -> StageClock {
    let order = PipelineOrder(
      schedule: schedule, stages: stages, chunks: 1, microBatches: microBatches)
    let time = PassTimes(
      forward: Picoseconds(each), inputGradient: Picoseconds(each),
      weightGradient: schedule == .gpipe ? .zero : Picoseconds(each))
    return try #require(StageClock(order, times: Array(repeating: time, count: stages)))
  }

  private func drawn(_ test: ScheduleTests.Case, _ random: inout SplitMix) -> [PassTimes] {
    (0..<test.stages * test.chunks).map { _ in
      func draw(_ most: UInt64) -> Picoseconds { Picoseconds(1000 * Int(random.next() % most)) }
      return PassTimes(
        forwardReceive: draw(20), forward: draw(1000), forwardSend: draw(10),
        gradientReceive: draw(20), inputGradient: draw(1000), gradientSend: draw(10),
        weightGradient: draw(1000))
    }
  }

  @Test func `stages end when threads that share cores in equal parts have done their work`() throws
  {
    let seed = SplitMix.seed
    var random = SplitMix(state: seed)
    for round in 0..<1000 {
      let test = ScheduleTests.cases[Int(random.next() % UInt64(ScheduleTests.cases.count))]
      let times = drawn(test, &random)
      let contention = 1 + Double(random.next() % 100) / 100 * Double(test.stages)
      let clock = try #require(StageClock(test.order, times: times))
      let timeline = SharedTimeline(clock.busy, SharedCores(contention: contention))
      let expected = FluidCores(test.order, times, contention: contention).ends
      let isEqual = zip(clock.ends, expected).allSatisfy { end, expected in
        abs(Double(timeline(end).count) - expected) <= 2
      }
      #expect(isEqual, "\(test), contention \(contention), round \(round), seed \(seed)")
      #expect(abs(Double(timeline.end.count) - (expected.max() ?? 0)) <= 2)
      guard isEqual else { return }
    }
  }

  @Test func `a step is no shorter than its bound, and just that where no core idles`() throws {
    let seed = SplitMix.seed
    var random = SplitMix(state: seed)
    for round in 0..<2000 {
      let test = ScheduleTests.cases[Int(random.next() % UInt64(ScheduleTests.cases.count))]
      let clock = try #require(StageClock(test.order, times: drawn(test, &random)))
      let busy = clock.busy
      let cores = SharedCores(
        contention: 1 + Double(random.next() % 200) / 100 * Double(test.stages))
      let step = cores.step(busy)
      let least = cores.least(makespan: busy.makespan, mean: busy.mean)
      let place = "\(test), round \(round), seed \(seed)"
      #expect(step >= least && step <= busy.makespan, Comment(rawValue: place))
      let crowded = SharedCores(contention: Double(test.stages)).step(busy)
      #expect(crowded == busy.mean, Comment(rawValue: place))
      #expect(SharedCores(contention: 1).step(busy) == busy.makespan)
    }
  }

  @Test func `times on shared cores keep their order and end with the step`() throws {
    var random = SplitMix(state: 7)
    for test in ScheduleTests.cases {
      let clock = try #require(StageClock(test.order, times: drawn(test, &random)))
      let timeline = SharedTimeline(clock.busy, SharedCores(contention: 1.7))
      for spans in clock.spans {
        let times = spans.flatMap { [timeline($0.start), timeline($0.end)] }
        #expect(times == times.sorted() && (times.last ?? .zero) <= timeline.end)
      }
    }
  }
}

/// Stages of which at each instant all that can go on do, at the same rate: from one end of some work to the next.
private struct FluidCores {
  private(set) var ends: [Double] = []

  private struct Message: Hashable {
    let isForward: Bool
    let sender, microBatch: Int
  }

  private enum Act {
    case awaitSent(Message), awaitReceived(Message), work(Double)
    case markSent(Message), markReceived(Message)
  }

  init(_ order: PipelineOrder, _ times: [PassTimes], contention: Double) {
    let acts = (0..<order.stages).map { Self.acts(of: $0, order, times) }
    var next = acts.map { _ in 0 }
    var left = acts.map { _ in 0.0 }
    var (sent, received) = (Set<Message>(), Set<Message>())
    var now = 0.0
    ends = acts.map { _ in 0 }
    func skip(_ stage: Int) -> Bool {
      guard next[stage] < acts[stage].count, left[stage] == 0 else { return false }
      switch acts[stage][next[stage]] {
      case .awaitSent(let message): guard sent.contains(message) else { return false }
      case .awaitReceived(let message): guard received.contains(message) else { return false }
      case .work(let time): left[stage] = time
      case .markSent(let message): sent.insert(message)
      case .markReceived(let message): received.insert(message)
      }
      next[stage] += 1
      ends[stage] = now
      return true
    }
    while true {
      var moved = true
      while moved {
        moved = false
        for stage in acts.indices { while skip(stage) { moved = true } }
      }
      let working = left.indices.filter { left[$0] > 0 }
      guard let least = working.map({ left[$0] }).min() else { break }
      let rate = min(Double(order.stages) / Double(working.count), contention)
      now += least / rate
      for stage in working {
        left[stage] -= least
        if left[stage] == 0 { ends[stage] = now }
      }
    }
  }

  private static func acts(
    of stage: Int, _ order: PipelineOrder, _ times: [PassTimes]
  ) -> [Act] {
    var acts: [Act] = []
    var pending: [Bool: Message] = [:]
    func work(_ time: Picoseconds) { acts.append(.work(Double(time.count))) }
    func pass(
      _ isForward: Bool, _ microBatch: Int, _ place: Int, receive: Picoseconds,
      _ compute: Picoseconds, send: Picoseconds
    ) {
      let (from, to) = isForward ? (place - 1, place + 1) : (place + 1, place - 1)
      if times.indices.contains(from) {
        let message = Message(isForward: isForward, sender: from, microBatch: microBatch)
        acts.append(.awaitSent(message))
        work(receive)
        acts.append(.markReceived(message))
      }
      work(compute)
      guard times.indices.contains(to) else { return }
      if let last = pending[isForward] { acts.append(.awaitReceived(last)) }
      let message = Message(isForward: isForward, sender: place, microBatch: microBatch)
      work(send)
      acts.append(.markSent(message))
      pending[isForward] = message
    }
    func gradient(_ microBatch: Int, _ chunk: Int, withWeights: Bool) {
      let place = chunk * order.stages + stage
      let time = times[place]
      let compute = withWeights ? time.inputGradient + time.weightGradient : time.inputGradient
      pass(
        false, microBatch, place, receive: time.gradientReceive, compute, send: time.gradientSend)
    }
    for operation in order.operations(of: stage) {
      switch operation {
      case .forward(let microBatch, let chunk):
        let time = times[chunk * order.stages + stage]
        pass(
          true, microBatch, chunk * order.stages + stage, receive: time.forwardReceive,
          time.forward, send: time.forwardSend)
      case .backward(let microBatch, let chunk): gradient(microBatch, chunk, withWeights: true)
      case .inputGradient(let microBatch, let chunk):
        gradient(microBatch, chunk, withWeights: false)
      case .weightGradient(_, let chunk): work(times[chunk * order.stages + stage].weightGradient)
      }
    }
    return acts + pending.values.map { .awaitReceived($0) }
  }
}
