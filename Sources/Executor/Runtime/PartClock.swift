import PlanIR

/// Adds up the CPU time of a device's thread by what it goes to, less what reading the clock takes.
struct PartClock {
  /// By body and instruction, what its runs took.
  private var runs: [[PartTime]]
  private let bodies: [Body]
  private var between = PartTime()
  private var isRunning = false
  private var start = 0.0
  /// What all parts of the step took so far, and the clock beside.
  private var inside = 0.0
  private var entered = 0.0
  /// What reading the clock takes.
  private var reading = 0.0

  init(_ program: Program) {
    bodies = program.bodies
    runs = bodies.map { Array(repeating: PartTime(), count: $0.instructions.count) }
  }

  /// Begins a step, which counts `if` it says so.
  mutating func begin(if isRunning: Bool) {
    self.isRunning = isRunning
    guard isRunning else { return }
    if reading == 0 { reading = ThreadClock.reading }
    (start, inside) = (ThreadClock.now, 0)
  }

  /// Ends it: what went to no part is between them.
  mutating func end() {
    if isRunning { between.add(1, ThreadClock.now - start - inside) }
  }

  /// Begins a part.
  mutating func enter() {
    if isRunning { entered = ThreadClock.now }
  }

  /// Ends it: instruction `index` of `body`.
  mutating func leave(_ body: BodyID, _ index: Int) {
    guard isRunning else { return }
    let seconds = ThreadClock.now - entered
    runs[body][index].add(1, seconds - reading)
    inside += seconds + reading
  }

  /// What was measured.
  var times: [ProgramPart: PartTime] {
    guard between.count > 0 else { return [:] }
    var times = [ProgramPart.between: between]
    for (body, runs) in zip(bodies, runs) {
      for (instruction, time) in zip(body.instructions, runs) where time.count > 0 {
        guard let part = ProgramPart(instruction) else { continue }
        times[part, default: PartTime()].add(time.count, time.seconds)
      }
    }
    return times
  }
}
