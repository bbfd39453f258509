#if canImport(Glibc)
  import Glibc
#endif

/// The two clocks of a calibration: one for its budget, one for what it measures.
package struct CalibrationClock: Sendable {
  /// Seconds of the wall clock since some fixed instant.
  package var wall: @Sendable () -> Double
  /// CPU seconds of the calling thread: what other programs take of the core does not count.
  package var thread: @Sendable () -> Double

  package init(wall: @escaping @Sendable () -> Double, thread: @escaping @Sendable () -> Double) {
    self.wall = wall
    self.thread = thread
  }

  /// The system's clocks.
  package static var system: CalibrationClock {
    CalibrationClock(
      wall: { seconds(CLOCK_MONOTONIC) }, thread: { seconds(CLOCK_THREAD_CPUTIME_ID) })
  }

  private static func seconds(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
