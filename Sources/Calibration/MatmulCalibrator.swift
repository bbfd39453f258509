import Foundation
import Kernels
package import PlanIR

/// Measures matrix products on one core of this machine, by the CPU time of the thread that runs
/// them.
///
/// Operands are random and cut from a ring of 64 MiB that is larger than most last-level caches, so
/// that no run finds the operands of the run before in its caches. Small products are thereby
/// measured as the middle of a training step meets them, somewhat slower than a benchmark that
/// repeats one product on one set of buffers.
package struct MatmulCalibrator: Sendable {
  /// This machine with one BLAS thread; part of every key.
  package let fingerprint: String
  package let origin: MeasurementOrigin
  package let policy: SamplingPolicy
  /// The most bytes that one product's operands may take.
  package let memoryLimit: Int
  private let clock: CalibrationClock

  /// A calibrator of this machine; without a `memoryLimit`, half of its memory.
  package init(
    origin: MeasurementOrigin, policy: SamplingPolicy = SamplingPolicy(),
    memoryLimit: Int? = nil, clock: CalibrationClock = .system
  ) {
    fingerprint = MachineFingerprint.current(threads: 1)
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
      try timing(of: product, on: ProductBench(clock: clock), end: .infinity)
    }
  }

  /// Measures `sizes` in their order until `budget` is used up, storing each at once.
  ///
  /// A product that would take longer than what is left of the budget, by the rate this machine
  /// reached so far, is left out, and smaller ones after it are still measured. A product that has
  /// begun may exceed the budget by one run.
  ///
  /// - Parameters:
  ///   - sizes: What to measure; repetitions count once.
  ///   - budget: Seconds of the wall clock.
  ///   - skip: Keys that are not measured again.
  ///   - sink: Where each finished timing goes before the next product starts.
  ///   - progress: Told, after each product, how many are measured and how many were to be. An
  ///     error that it throws ends the calibration; what was measured is stored.
  /// - Returns: What was measured and what was not.
  /// - Throws: ``CalibrationError``, `KernelError` where BLAS computes wrongly on this machine,
  ///   and what `sink` and `progress` throw.
  package func calibrate(
    sizes: [MatmulProduct], budget: Double, skip: Set<TimingKey> = [],
    into sink: any TimingSink, progress: (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) throws -> CalibrationOutcome {
    try SingleThreadedBLAS.run {
      let end = clock.wall() + budget
      try SelfCheck.run()
      var outcome = CalibrationOutcome()
      let pending = pending(sizes, skip: skip, &outcome)
      let bench = ProductBench(clock: clock)
      var rates = Rates()
      for product in pending {
        let remaining = end - clock.wall()
        guard remaining > 0,
          try rates.expectedSeconds(of: product, on: bench) <= remaining
        else {
          outcome.left.append(product)
          continue
        }
        let timing = try timing(of: product, on: bench, end: end)
        rates.note(product, timing)
        let entry = (key: product.key(fingerprint: fingerprint), timing: timing)
        try sink.record([entry])
        outcome.measured.append(entry)
        try progress(outcome.measured.count, pending.count)
      }
      return outcome
    }
  }

  /// What is to be measured of `sizes`; notes in `outcome` what is not.
  private func pending(
    _ sizes: [MatmulProduct], skip: Set<TimingKey>, _ outcome: inout CalibrationOutcome
  ) -> [MatmulProduct] {
    var seen: Set<MatmulProduct> = []
    var pending: [MatmulProduct] = []
    for product in sizes where seen.insert(product).inserted {
      if skip.contains(product.key(fingerprint: fingerprint)) {
        outcome.skipped += 1
      } else if product.bytes > Double(memoryLimit) {
        outcome.tooLarge.append(product)
      } else {
        pending.append(product)
      }
    }
    return pending
  }

  /// Samples `product` until the policy is content or the wall clock reaches `end`.
  private func timing(
    of product: MatmulProduct, on bench: ProductBench, end: Double
  ) throws -> Timing {
    try bench.prepare(product)
    let last = min(end, clock.wall() + policy.limitSeconds)
    let samples = policy.samples(until: { clock.wall() >= last }) { repetitions in
      bench.seconds(of: product, repetitions: repetitions)
    }
    guard let timing = Timing(seconds: samples, origin: origin) else {
      preconditionFailure("a clock that runs backwards")
    }
    return timing
  }
}
