import Executor
import Foundation

/// Runs collectives among threads.
struct CollectiveBench {
  /// Cores that the threads share.
  private let cores = ProcessInfo.processInfo.activeProcessorCount

  /// CPU seconds of `repetitions` runs as a device meets them that has a core to itself: those of the
  /// average member, but no fewer than it takes until the busiest is done.
  ///
  /// On g devices over c cores work that all share takes g/c times the average; a root that works while
  /// others wait takes its own time, which is c/g of that for what g devices over c cores take at once.
  func seconds(of probe: CollectiveProbe, repetitions: Int) throws(RunError) -> Double {
    let times = try probe.seconds(repetitions: repetitions)
    let share = min(1, Double(cores) / Double(probe.devices))
    let groups = stride(from: 0, to: times.count, by: probe.devices).map { first in
      let own = times[first..<first + probe.devices]
      return max(own.reduce(0, +) / Double(own.count), (own.max() ?? 0) * share)
    }
    return groups.reduce(0, +) / Double(max(groups.count, 1))
  }
}
