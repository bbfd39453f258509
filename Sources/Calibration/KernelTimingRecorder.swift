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
  /// - Returns: A timing for every kernel that ran, in the order of keys.
  package func timings(
    of kernelTimes: [KernelIdentity: [Double]], dtype: DType
  ) -> [(key: TimingKey, timing: Timing)] {
    let entries: [(key: TimingKey, timing: Timing)] = kernelTimes.compactMap { kernel, seconds in
      Timing(seconds: seconds, origin: origin).map { (key(of: kernel, dtype: dtype), $0) }
    }
    return entries.sorted { $0.key < $1.key }
  }

  private func key(of kernel: KernelIdentity, dtype: DType) -> TimingKey {
    let isProduct = kernel.kernel == MatmulTimings.kernel
    return TimingKey(
      kernel: kernel.kernel, dtype: dtype, shape: kernel.shape,
      transposition: kernel.transposition,
      backend: isProduct ? MatmulTimings.backend : "swift", fingerprint: fingerprint)
  }
}
