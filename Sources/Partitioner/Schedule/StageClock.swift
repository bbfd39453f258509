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

  /// All of it.
  var all: Picoseconds {
    forwardReceive + forward + forwardSend + gradientReceive + inputGradient + gradientSend
      + weightGradient
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
  package let ends: [Picoseconds]
  private let trace: StageTrace
  private let durations: [Picoseconds]

  /// Runs `order` with the times of each virtual stage; nil where stages would wait for each other for
  /// ever.
  package init?(_ order: PipelineOrder, times: [PassTimes]) {
    guard let trace = StageTrace(order) else { return nil }
    self.init(trace, times: times)
  }

  /// Follows `trace` with the times of each virtual stage.
  package init(_ trace: StageTrace, times: [PassTimes]) {
    self.trace = trace
    durations = times.flatMap { time in StageTrace.Duration.allCases.map(time.duration) }
    ends = Self.ends(trace, durations) { _, _, _ in }
  }

  /// What each stage does when.
  package var spans: [[Span]] {
    let operations = (0..<trace.order.stages).map(trace.order.operations)
    var spans: [[Span]] = operations.map { _ in [] }
    _ = Self.ends(trace, durations) { event, start, end in
      guard event.kind == .run else { return }
      let stage = Int(event.stage)
      let operation = operations[stage][spans[stage].count]
      spans[stage].append(Span(operation: operation, start: start, end: end))
    }
    return spans
  }

  /// From when to when each stage receives, computes or sends.
  package var busy: BusyTimes {
    var busy = BusyTimes(stages: trace.order.stages)
    _ = Self.ends(trace, durations) { event, start, end in
      busy.add(Int(event.stage), from: start, to: end)
    }
    return busy
  }

  private static func ends(
    _ trace: StageTrace, _ durations: [Picoseconds],
    did: (_ event: StageTrace.Event, _ start: Picoseconds, _ end: Picoseconds) -> Void
  ) -> [Picoseconds] {
    var ends = [Picoseconds](repeating: .zero, count: trace.order.stages)
    var sent = [Picoseconds](repeating: .zero, count: trace.messageCount)
    var received = sent
    for event in trace.events {
      let (stage, message) = (Int(event.stage), Int(event.message))
      let duration = durations[Int(event.duration)]
      var start = ends[stage]
      switch event.kind {
      case .receive:
        start = max(start, sent[message])
        received[message] = start + duration
      case .run: break
      case .settle:
        ends[stage] = max(start, received[message])
        continue
      case .send: sent[message] = start + duration
      }
      ends[stage] = start + duration
      did(event, start, ends[stage])
    }
    return ends
  }
}

extension PassTimes {
  fileprivate func duration(_ duration: StageTrace.Duration) -> Picoseconds {
    switch duration {
    case .forwardReceive: forwardReceive
    case .forward: forward
    case .forwardSend: forwardSend
    case .gradientReceive: gradientReceive
    case .inputGradient: inputGradient
    case .weightGradient: weightGradient
    case .gradientSend: gradientSend
    case .backward: inputGradient + weightGradient
    }
  }
}
