package import PlanIR

/// Something that is timed and whose time is kept.
package protocol MeasuredTask: Sendable {
  /// What tells machines apart.
  associatedtype Machine: Sendable

  /// Under what its time is kept on a machine.
  func key(on machine: Machine) -> TimingKey
  /// What a kernel has to do; nil of others, whose shapes say it.
  var amount: KernelAmount? { get }
  /// Bytes of its operands.
  var bytes: Double { get }
  /// Samples of it that are never exceeded.
  var maximumSamples: Int { get }
  /// Seconds of the wall clock that it may be measured for at a time, where a policy's limit is shorter.
  var leastLimitSeconds: Double { get }
  /// Whether the least that was measured counts, not the median: of what only other programs make longer.
  var countsLeast: Bool { get }
}

extension MeasuredTask {
  package var leastLimitSeconds: Double { 0 }
  package var countsLeast: Bool { false }
}

/// Runs tasks of one kind on one machine.
protocol TaskBench {
  associatedtype Task: MeasuredTask

  /// Makes memory for `task`.
  func prepare(_ task: Task) throws
  /// Seconds of `repetitions` runs of `task`, for which ``prepare(_:)`` was called last.
  func seconds(of task: Task, repetitions: Int) throws -> Double
  /// Seconds one run of `task` takes at least.
  func expectedSeconds(of task: Task) throws -> Double
  /// Learns from a measured task what the next ones will take.
  func note(_ task: Task, _ timing: Timing)
}
