package import Executor
package import PlanIR

/// Turns what a run measured of its kernels into timings to store.
package struct KernelTimingRecorder: Sendable {
  /// The machine with the BLAS threads that the run used; see
  /// ``MachineFingerprint/current(devices:)``.
  package let fingerprint: String
  package let origin: MeasurementOrigin

  package init(fingerprint: String, origin: MeasurementOrigin) {
    self.fingerprint = fingerprint
    self.origin = origin
  }

  /// The timings of a run's kernels.
  ///
  /// - Parameters:
  ///   - kernelTimes: CPU seconds of each run of each kernel.
  ///   - dtype: The element type that the run computed in.
  ///   - amounts: What the kernels have to do, as far as it is known.
  /// - Returns: A timing for every kernel that ran, in the order of keys.
  package func timings(
    of kernelTimes: [KernelIdentity: [Double]], dtype: DType,
    amounts: [KernelIdentity: KernelAmount] = [:]
  ) -> [(key: TimingKey, timing: Timing)] {
    let entries: [(key: TimingKey, timing: Timing)] = kernelTimes.compactMap { kernel, seconds in
      guard var timing = Timing(seconds: seconds, origin: origin) else { return nil }
      timing.amount = amounts[kernel]
      return (key(of: kernel, dtype: dtype), timing)
    }
    return entries.sorted { $0.key < $1.key }
  }

  private func key(of kernel: KernelIdentity, dtype: DType) -> TimingKey {
    let isProduct = kernel.kernel == MatmulTimings.kernel
    return TimingKey(
      kernel: kernel.kernel, dtype: dtype, shape: kernel.shape,
      transposition: kernel.transposition,
      backend: isProduct ? MatmulTimings.backend : CalibrationTask.kernelBackend,
      fingerprint: fingerprint)
  }
}
