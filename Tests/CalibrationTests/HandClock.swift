import Calibration
import Synchronization

/// A wall clock that only a test moves; the thread's clock is the system's.
final class HandClock: Sendable {
  private let time = Mutex(100.0)

  func advance(_ seconds: Double) { time.withLock { $0 += seconds } }

  var clock: CalibrationClock {
    CalibrationClock(wall: { self.time.withLock { $0 } }, thread: CalibrationClock.system.thread)
  }
}
