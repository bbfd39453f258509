import PlanIR
import Synchronization

/// A sink that remembers what it was given, call by call.
final class RecordingSink: TimingSink {
  private let calls = Mutex<[[TimingKey]]>([])

  /// The keys of each call.
  var keys: [[TimingKey]] { calls.withLock { $0 } }

  func record(_ timings: [(key: TimingKey, timing: Timing)]) {
    calls.withLock { $0.append(timings.map(\.key)) }
  }
}

/// A sink whose disk is full.
struct FailingSink: TimingSink {
  struct Full: Error {}

  func record(_ timings: [(key: TimingKey, timing: Timing)]) throws { throw Full() }
}
