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
    _ = Self.ends(trace, durations) { stage, start, end in
      let operation = operations[stage][spans[stage].count]
      spans[stage].append(Span(operation: operation, start: start, end: end))
    }
    return spans
  }

  private static func ends(
    _ trace: StageTrace, _ durations: [Picoseconds],
    ran: (_ stage: Int, _ start: Picoseconds, _ end: Picoseconds) -> Void
  ) -> [Picoseconds] {
    var ends = [Picoseconds](repeating: .zero, count: trace.order.stages)
    var sent = [Picoseconds](repeating: .zero, count: trace.messageCount)
    var received = sent
    for event in trace.events {
      let (stage, message) = (Int(event.stage), Int(event.message))
      let duration = durations[Int(event.duration)]
      switch event.kind {
      case .receive:
        ends[stage] = max(ends[stage], sent[message]) + duration
        received[message] = ends[stage]
      case .run:
        let start = ends[stage]
        ends[stage] = start + duration
        ran(stage, start, ends[stage])
      case .settle: ends[stage] = max(ends[stage], received[message])
      case .send:
        ends[stage] = ends[stage] + duration
        sent[message] = ends[stage]
      }
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
