#if canImport(Glibc)
  import Glibc
#endif

/// Seconds of the system's clocks.
enum Clocks {
  /// Of the wall.
  static var wall: Double { seconds(CLOCK_MONOTONIC) }
  /// CPU time of all threads of the process.
  static var process: Double { seconds(CLOCK_PROCESS_CPUTIME_ID) }
  /// CPU time of the calling thread.
  static var thread: Double { seconds(CLOCK_THREAD_CPUTIME_ID) }

  private static func seconds(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}

/// Floating-point operations a second: of wall time on all cores, and of CPU time on one.
struct Rate {
  var wall: Double
  var cpu: Double
}

/// The middle of `values`, which must not be empty.
func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}
