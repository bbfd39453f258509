import Calibration
import Partitioner
import PlanIR

/// A search on this machine: it measures what the best plans lack and searches again, until they lack
/// nothing. So a second equal search measures nothing, and finds its answer in the ``PlanCache``.
struct LocalSearch {
  let path: String?

  /// Seconds that a search may spend measuring.
  private static let budget = 60.0
  /// The plans whose kernels and collectives are measured.
  private static let measuredPlans = 3
  /// How often it searches again. Each time other plans may be best, which mostly share what they do with
  /// those before.
  private static let rounds = 16
  /// Kernels that take longer are told from others, roughly: `tpplan calibrate` measures them.
  private static let longestSeconds = 0.1

  func run(_ request: inout SearchRequest) throws -> SearchAnswer {
    let timings = LocalTimings(path: path)
    let cache = PlanCache(timings, for: request)
    var stored = try timings.stored(devices: request.devices)
    request.timings = stored.table
    if let answer = cache?.answer(to: request, measured: stored.digest) { return answer }
    var answer = Search.run(request)
    var (measured, spent) = (0, 0.0)
    for _ in 0..<Self.rounds {
      let missing = try missing(request, answer, stored)
      if missing.isEmpty { cache?.keep(answer, to: request, measured: stored.digest) }
      guard !missing.isEmpty, spent < Self.budget else { break }
      let start = CalibrationClock.system.wall()
      let outcome = try timings.measure(
        missing, budget: Self.budget - spent, policy: .brief)
      spent += CalibrationClock.system.wall() - start
      measured += outcome.measured.count
      stored = try timings.stored(devices: request.devices)
      request.timings = stored.table
      answer = Search.run(request)
      if outcome.measured.isEmpty { break }
    }
    if measured > 0 {
      StandardError.print("tpplan: measured \(measured) kernels and collectives for the best plans")
    }
    return answer
  }

  private func missing(
    _ request: SearchRequest, _ answer: SearchAnswer, _ stored: StoredTimings
  ) throws -> [CalibrationTask] {
    let programs = try answer.plans.prefix(Self.measuredPlans).map {
      try Partitioner.program(of: request.training, choices: $0.choices)
    }
    let tasks = CalibrationTasks(dtype: .float32)
    let table = request.timings
    let kernels = tasks.kernels(of: programs) {
      $0.roughSeconds <= Self.longestSeconds && !table.has($0)
    }
    let collectives = programs.flatMap { Partitioner.collectives(of: $0) }
      .filter { !table.has(collective: $0.pattern, devices: $0.devices) }
    // Kernels that do different amounts may have one key: measured in turns, they would never all be known.
    let shared = request.devices > 1 ? tasks.shared : [tasks.interpretation]
    return
      (shared + kernels
      + collectives.flatMap { tasks.collective($0.pattern, devices: $0.devices) })
      .filter { !stored.keys.contains($0.key(on: tasks.machine)) }
  }
}

extension SamplingPolicy {
  /// Enough for a search to go on, at several moments.
  fileprivate static let brief = SamplingPolicy(
    minimumSamples: 3, maximumSamples: 9, enoughSeconds: 0.004, limitSeconds: 1, passes: 3)
}
