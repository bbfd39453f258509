package import PlanIR

/// When each call of a program begins and ends: its calls run one by one on every stage, messages and
/// what the first and last stage exchange waited for.
///
/// The step's time is found without it, from passes of whole stages; it shows the same step call by
/// call. Gradients that are reduced beside the last backward pass take no time of their calls but for what is left
/// after it, which stands before the first of these. Where devices share cores it shows when calls are on these.
package struct ProgramClock: Sendable {
  /// A call's time on the devices of its stage, waiting left out.
  package struct Span: Hashable, Sendable {
    package var start, end: Picoseconds
  }

  /// By stage, in the order of its calls.
  package private(set) var spans: [[Span]]
  private var clocks: [Picoseconds]
  /// By stage, what of gradients' reductions comes after the last backward pass, until that is over.
  private var exposed: [Picoseconds]

  private var busy: BusyTimes

  /// When the last stage ends.
  package private(set) var end = Picoseconds.zero

  private struct Key: Hashable {
    let slot: Slot
    let taker, microBatch: Int
  }

  /// Messages: when each was sent and received.
  private struct Mail {
    var sent: [Key: Picoseconds] = [:]
    var received: [Key: Picoseconds] = [:]
    /// When each stage came to the exchange of the ends.
    var meeting: [Int: Picoseconds] = [:]
  }

  /// Runs `program`, of whose micro-batches the order is `schedule`, with the times that `cost` gives.
  package init(_ program: Program, schedule: PipelineSchedule, cost: any CostModel) {
    let isSplit = schedule == .zeroBubble
    let bodies = Self.bodies(of: program, isSplit: isSplit, cost)
    let chain = program.chainIndex
    spans = program.stages.map { _ in [] }
    clocks = program.stages.map { _ in .zero }
    busy = BusyTimes(stages: program.stages.count)
    exposed = program.stages.map { stage in
      Self.overlap(stage.calls, bodies, isSplit: isSplit).exposed
    }
    var mail = Mail()
    var moved = true
    while moved {
      moved = false
      for (stage, description) in program.stages.enumerated() {
        while spans[stage].count < description.calls.count {
          let call = description.calls[spans[stage].count]
          let place = chain[call.position] ?? 0
          let isDone = run(bodies[call.body], call, place, stage, program.stages.count, &mail)
          guard isDone else { break }
          moved = true
        }
      }
    }
    end = clocks.max() ?? .zero
    if program.stages.count > 1, cost.contention > 1 {
      share(SharedTimeline(busy, SharedCores(contention: cost.contention)))
    }
  }

  /// Moves all that was found as if all devices worked all the time to when it is on shared cores.
  private mutating func share(_ timeline: SharedTimeline) {
    spans = spans.map { $0.map { Span(start: timeline($0.start), end: timeline($0.end)) } }
    end = timeline.end
  }

  /// A body's time and what it waits for.
  private struct PricedBody {
    let received: Picoseconds
    /// What it takes, but for gradients that may be reduced beside the last backward pass.
    let alone: BodyTime
    let reductions: Picoseconds
    /// The time of its call, and kernels that are free.
    var time, free: Picoseconds
    var message: (instruction: Instruction, message: Message)?
    let meets: Bool

    init(_ body: Body, _ program: Program, _ cost: any CostModel) {
      let summary = BodySummary(
        body, mesh: program.mesh, precision: program.precision, cost: cost)
      reductions = summary.reductions(cost)
      var alone = summary.time(cost)
      alone.rest -= reductions
      self.alone = alone
      (time, free) = (alone.all, alone.free)
      received = summary.received(cost)
      meets = summary.collectives.contains { $0.use.pattern == .exchange }
      for instruction in body.instructions {
        switch instruction {
        case .send(_, let message), .receive(_, let message), .settle(_, let message):
          self.message = (instruction, message)
        default: break
        }
      }
    }
  }

  /// The bodies of `program`; what scatters gradients goes on beside kernels of the input's too where backward passes
  /// are one.
  private static func bodies(
    of program: Program, isSplit: Bool, _ cost: any CostModel
  ) -> [PricedBody] {
    var bodies = program.bodies.map { PricedBody($0, program, cost) }
    guard cost.overlapsGradients, !isSplit else { return bodies }
    func calls(_ phase: Phase) -> [BlockKey: BodyID] {
      let calls = program.stages.lazy.flatMap(\.calls).filter { $0.phase == phase }
      return Dictionary(calls.map { (BlockKey($0), $0.body) }) { first, _ in first }
    }
    let inputs = calls(.inputGradient)
    for (block, body) in calls(.weightGradient) {
      let time = bodies[body].alone
      let joint = BackwardTime(
        inputGradient: inputs[block].map { bodies[$0].alone } ?? BodyTime(), weightGradient: time)
      let beside = joint.hidden(isSplit: false) - joint.hidden(isSplit: true)
      bodies[body].time = time.all - beside
      bodies[body].free = time.free - beside
    }
    return bodies
  }

  /// A block of a layer, whichever.
  private struct BlockKey: Hashable {
    let segment, block: Int

    init(_ call: Call) { (segment, block) = (call.position.segment, call.position.block) }
  }

  /// What goes on beside the last backward pass of a stage's `calls`.
  private static func overlap(
    _ calls: [Call], _ bodies: [PricedBody], isSplit: Bool
  ) -> GradientOverlap {
    let passes: [Phase] =
      isSplit ? [.weightGradient] : [.recompute, .inputGradient, .weightGradient]
    let last = calls.last { $0.phase == .weightGradient }
    var kernels: [LayerKey: Picoseconds] = [:]
    var reductions: [LayerKey: Picoseconds] = [:]
    var order: [LayerKey] = []
    for call in calls {
      let (key, body) = (LayerKey(call), bodies[call.body])
      if passes.contains(call.phase), body.message == nil, call.chunk == last?.chunk,
        call.microBatch == last?.microBatch
      {
        if kernels[key] == nil { order.append(key) }
        kernels[key, default: .zero] += body.free
      }
      reductions[key, default: .zero] += body.reductions
    }
    var overlap = GradientOverlap()
    for (key, own) in reductions where kernels[key] == nil { overlap.add(complete: own) }
    for key in order {
      overlap.add(
        kernels: kernels[key] ?? .zero, reductions: reductions[key] ?? .zero, layers: 1)
    }
    return overlap
  }

  /// A layer of a chunk.
  private struct LayerKey: Hashable {
    let segment, layer: Int

    init(_ call: Call) { (segment, layer) = (call.position.segment, call.position.layer) }
  }

  /// Runs one call; false where it must wait.
  private mutating func run(
    _ body: PricedBody, _ call: Call, _ place: Int, _ stage: Int, _ stages: Int,
    _ mail: inout Mail
  ) -> Bool {
    var start = clocks[stage]
    if call.phase == .reduceGradients || call.phase == .optimize {
      start = start + exposed[stage]
      busy.add(stage, from: clocks[stage], to: start)
      exposed[stage] = .zero
      clocks[stage] = start
    }
    if body.meets {
      mail.meeting[stage] = start
      guard let first = mail.meeting[0], let last = mail.meeting[stages - 1] else { return false }
      start = max(first, last)
    }
    guard let (instruction, message) = body.message else {
      return append(start, start + body.time, stage)
    }
    func key(_ taker: Int) -> Key {
      Key(slot: message.slot, taker: taker, microBatch: call.microBatch)
    }
    switch instruction {
    case .receive:
      let key = key(message.slot.taker(takenAt: place))
      guard let sent = mail.sent[key] else { return false }
      start = max(start, sent)
      mail.received[key] = start + body.received
      return append(start, start + body.time, stage)
    case .settle:
      guard let received = mail.received[key(message.slot.taker(givenAt: place))] else {
        return false
      }
      start = max(start, received)
      return append(start, start, stage)
    default:
      mail.sent[key(message.slot.taker(givenAt: place))] = start + body.time
      return append(start, start + body.time, stage)
    }
  }

  private mutating func append(_ start: Picoseconds, _ end: Picoseconds, _ stage: Int) -> Bool {
    spans[stage].append(Span(start: start, end: end))
    busy.add(stage, from: start, to: end)
    clocks[stage] = end
    return true
  }
}
