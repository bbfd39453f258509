import Foundation
import Synchronization

/// What every device is doing, for the watchdog and for errors.
final class Progress: Sendable {
  private let state: Mutex<State>

  private struct State {
    var steps: [String]
    var isWaiting: [Bool]
    var isDone: [Bool]
    var changes = 0
    var failure: RunError?
  }

  init(devices: Int) {
    state = Mutex(
      State(
        steps: Array(repeating: "start", count: devices),
        isWaiting: Array(repeating: false, count: devices),
        isDone: Array(repeating: false, count: devices)))
  }

  /// Notes that `device` begins to wait in a collective of `step`, or has come out of it.
  func note(_ device: Int, step: @autoclosure () -> String, isWaiting: Bool) {
    state.withLock {
      if isWaiting { $0.steps[device] = step() }
      $0.isWaiting[device] = isWaiting
      $0.changes += 1
    }
  }

  /// Notes that `device` has ended, and why if it failed. The first failure is kept.
  func finish(_ device: Int, failure: RunError?) {
    state.withLock {
      $0.isDone[device] = true
      $0.changes += 1
      if let failure, failure != .stopped, $0.failure == nil { $0.failure = failure }
    }
  }

  var failure: RunError? { state.withLock { $0.failure } }

  var isDone: Bool { state.withLock { $0.isDone.allSatisfy(\.self) } }

  /// The number of changes so far, and where every device waits if all that run do.
  var standstill: (changes: Int, waiting: [String]?) {
    state.withLock { state in
      let running = state.isDone.indices.filter { !state.isDone[$0] }
      let isStill = !running.isEmpty && running.allSatisfy { state.isWaiting[$0] }
      let waiting = running.map { "device \($0) waits in \(state.steps[$0])" }
      return (state.changes, isStill ? waiting : nil)
    }
  }

  /// Records a deadlock as the run's failure.
  func fail(_ failure: RunError) {
    state.withLock { if $0.failure == nil { $0.failure = failure } }
  }
}
