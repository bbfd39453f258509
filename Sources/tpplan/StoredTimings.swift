import Calibration
import Executor
import Partitioner
import PlanIR

/// The planner's table of what was measured, and a digest of all that is in it.
struct StoredTimings {
  private(set) var table = TimingTable()
  private(set) var digest = Digest()
  /// What is in the table.
  private(set) var keys: Set<TimingKey> = []

  /// What a clock that stood still is taken for.
  private static let shortestNanoseconds = 1.0

  /// Of `timings` on one machine, in the order of their keys; those that tell planners nothing are left out.
  init(_ timings: [(key: TimingKey, timing: Timing)]) {
    for (key, timing) in timings { add(key, timing) }
  }

  private mutating func add(_ key: TimingKey, _ timing: Timing) {
    let seconds = max(timing.medianNanoseconds, Self.shortestNanoseconds) * 1e-9
    switch (key.kernel, key.shape.count, timing.amount) {
    case (MatmulTimings.kernel, 3, _):
      table.record(
        .init(m: key.shape[0], n: key.shape[1], k: key.shape[2], transposition: key.transposition),
        seconds: seconds)
      note(key, key.shape, seconds)
    case (let name, 2, _) where key.backend == CalibrationTask.collectiveBackend:
      table.record(
        collective: name, devices: key.shape[0], elements: key.shape[1], seconds: seconds)
      note(key, key.shape, seconds)
    case (InterpretationProbe.name, _, _) where key.backend == CalibrationTask.programBackend:
      table.record(interpretation: seconds / Double(InterpretationProbe.unit))
      note(key, key.shape, seconds)
    case (SharingProbe.name, _, _) where key.backend == CalibrationTask.programBackend:
      table.record(sharing: seconds / SharingProbe.unit)
      note(key, key.shape, seconds)
    case (let name, _, let amount?):
      table.record(name, amount, seconds: seconds)
      note(key, [amount.elements, amount.flops], seconds)
    default: break
    }
  }

  private mutating func note(_ key: TimingKey, _ sizes: [Int], _ seconds: Double) {
    keys.insert(key)
    digest.add(key.backend)
    digest.add(key.kernel)
    digest.add(key.transposition)
    for size in sizes { digest.add(size) }
    digest.add(seconds.bitPattern)
  }
}
