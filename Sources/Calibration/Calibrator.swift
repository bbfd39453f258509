import Foundation
import Kernels
package import PlanIR

/// Measures kernels on one core of this machine, or with as many BLAS threads as a task says, and collectives among threads, by the CPU time of the
/// threads that run them.
///
/// Operands are random and cut from a ring of 64 MiB that is larger than most last-level caches, so
/// that no run finds the operands of the run before in its caches; but for those that a step has used just before
/// (``ProductBench``, ``KernelBench``). What is small is thereby measured as the middle of a training step meets it, somewhat
/// slower than a benchmark that repeats one kernel on one set of buffers.
package struct Calibrator: Sendable {
  /// This machine with one BLAS thread.
  package let machine: MachineFingerprint
  package let origin: MeasurementOrigin
  package let policy: SamplingPolicy
  /// The most bytes that one product's operands may take.
  package let memoryLimit: Int
  private let clock: CalibrationClock

  /// The text of ``machine``, part of the keys of all that one BLAS thread runs.
  package var fingerprint: String { machine.text }

  /// A calibrator of this machine; without a `memoryLimit`, half of its memory.
  package init(
    origin: MeasurementOrigin, policy: SamplingPolicy = SamplingPolicy(),
    memoryLimit: Int? = nil, clock: CalibrationClock = .system
  ) {
    machine = MachineFingerprint.here
    self.origin = origin
    self.policy = policy
    self.memoryLimit = memoryLimit ?? Int(clamping: ProcessInfo.processInfo.physicalMemory / 2)
    self.clock = clock
  }

  /// Measures one product, within the policy's time limit.
  ///
  /// - Parameter product: What to measure.
  /// - Returns: The time of one product.
  /// - Throws: ``CalibrationError`` where memory is short or BLAS does not keep to one thread.
  package func measure(_ product: MatmulProduct) throws -> Timing {
    try SingleThreadedBLAS.run {
      try loop.timing(of: .product(product), on: CalibrationBench(clock: clock), end: .infinity)
    }
  }

  /// Measures `tasks` in their order until `budget` is used up, storing each at once, and then all that was measured
  /// anew, as often as the policy says and the budget allows, storing what all samples amount to.
  ///
  /// What would take longer than what is left of the budget, by the rate this machine reached so far,
  /// is left out, and smaller ones after it are still measured. What has begun may exceed the budget by
  /// one run.
  ///
  /// - Parameters:
  ///   - tasks: What to measure; repetitions count once.
  ///   - budget: Seconds of the wall clock.
  ///   - known: What is known already.
  ///   - again: Whether what is known is measured, too, and samples are added to it.
  ///   - sink: Where each finished timing goes before the next one starts.
  ///   - progress: Told of each as soon as it is stored. An error that it throws ends the calibration;
  ///     what was measured is stored.
  /// - Returns: What was measured and what was not.
  /// - Throws: ``CalibrationError``, `KernelError` where BLAS computes wrongly on this machine,
  ///   `RunError`, and what `sink` and `progress` throw.
  package func calibrate(
    _ tasks: [CalibrationTask], budget: Double, known: [TimingKey: Timing] = [:],
    again: Bool = false,
    into sink: any TimingSink, progress: (CalibrationProgress) throws -> Void = { _ in }
  ) throws -> CalibrationOutcome {
    try SingleThreadedBLAS.run {
      let end = clock.wall() + budget
      try SelfCheck.run()
      return try loop.run(
        tasks, until: end, known: known, again: again, on: CalibrationBench(clock: clock),
        into: sink, progress: progress)
    }
  }

  private var loop: CalibrationLoop<CalibrationBench> {
    CalibrationLoop(
      machine: machine, origin: origin, policy: policy, memoryLimit: memoryLimit,
      clock: clock)
  }
}
