import PlanIR
import Synchronization

/// A sink that remembers what it was given, call by call.
final class RecordingSink: TimingSink {
  private let calls = Mutex<[[(key: TimingKey, timing: Timing)]]>([])

  /// The keys of each call.
  var keys: [[TimingKey]] { calls.withLock { $0.map { $0.map(\.key) } } }

  /// The timings of each call.
  var timings: [[Timing]] { calls.withLock { $0.map { $0.map(\.timing) } } }

  /// What it holds now.
  var known: [TimingKey: Timing] {
    calls.withLock { calls in
      Dictionary(calls.joined().map { ($0.key, $0.timing) }) { $1 }
    }
  }

  func record(_ timings: [(key: TimingKey, timing: Timing)]) {
    calls.withLock { $0.append(timings) }
  }
}

/// A sink whose disk is full.
struct FailingSink: TimingSink {
  struct Full: Error {}

  func record(_ timings: [(key: TimingKey, timing: Timing)]) throws { throw Full() }
}
