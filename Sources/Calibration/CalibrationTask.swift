package import Executor
package import PlanIR

/// Something to be measured.
package struct CalibrationTask: MeasuredTask {
  /// What runs.
  package enum Work: Sendable {
    /// A matrix product.
    case product(MatmulProduct)
    /// Another kernel, with what it has to do.
    case kernel(KernelProbe, amount: KernelAmount)
    /// A collective among threads.
    case collective(CollectiveProbe)
    /// Running a kernel that computes nothing.
    case interpretation(InterpretationProbe)
    /// Sharing cores with other threads.
    case sharing(SharingProbe)
  }

  package let work: Work
  /// How many threads BLAS may use; 1 of what does not use it.
  package let threads: Int

  private init(_ work: Work, threads: Int = 1) { (self.work, self.threads) = (work, threads) }

  /// A matrix product, over which BLAS may use `threads`.
  package static func product(_ product: MatmulProduct, threads: Int = 1) -> CalibrationTask {
    CalibrationTask(.product(product), threads: threads)
  }

  /// Another kernel that has `amount` to do; one that multiplies matrices by BLAS, which may use `threads`.
  package static func kernel(
    _ probe: KernelProbe, amount: KernelAmount, threads: Int = 1
  ) -> CalibrationTask {
    let usesBLAS = MachineFingerprint.dependsOnThreads(probe.identity.kernel)
    return CalibrationTask(.kernel(probe, amount: amount), threads: usesBLAS ? threads : 1)
  }

  /// A collective among threads.
  package static func collective(_ probe: CollectiveProbe) -> CalibrationTask {
    CalibrationTask(.collective(probe))
  }

  /// Running a kernel on the mesh, beside what it computes.
  package static func interpretation(_ probe: InterpretationProbe) -> CalibrationTask {
    CalibrationTask(.interpretation(probe))
  }

  /// Sharing cores with other threads, and meeting them.
  package static func sharing(_ probe: SharingProbe) -> CalibrationTask {
    CalibrationTask(.sharing(probe))
  }

  /// What runs kernels other than products, in keys.
  static let kernelBackend = "swift"
  /// What runs collectives, in keys.
  package static let collectiveBackend = "threads"
  /// What runs programs, in keys.
  package static let programBackend = "mesh"

  /// Under what its time is kept on a machine.
  package func key(on machine: MachineFingerprint) -> TimingKey {
    let fingerprint = machine.using(threads: threads).text
    return switch work {
    case .product(let product): product.key(fingerprint: fingerprint)
    case .kernel(let probe, _):
      TimingKey(
        kernel: probe.identity.kernel, dtype: probe.dtype, shape: probe.identity.shape,
        backend: Self.kernelBackend, fingerprint: fingerprint)
    case .collective(let probe):
      TimingKey(
        kernel: probe.pattern.rawValue, dtype: probe.dtype,
        shape: [probe.devices, probe.elements], backend: Self.collectiveBackend,
        fingerprint: fingerprint)
    case .interpretation(let probe):
      TimingKey(
        kernel: InterpretationProbe.name, dtype: .float32, shape: [probe.devices],
        backend: Self.programBackend, fingerprint: fingerprint)
    case .sharing(let probe):
      TimingKey(
        kernel: SharingProbe.name, dtype: .float32, shape: [probe.devices],
        backend: Self.programBackend, fingerprint: fingerprint)
    }
  }

  /// What a kernel has to do; nil of others, whose shapes say it.
  package var amount: KernelAmount? {
    if case .kernel(_, let amount) = work { return amount }
    return nil
  }

  /// Bytes of its operands.
  package var bytes: Double {
    switch work {
    case .product(let product): product.bytes
    case .kernel(let probe, _): probe.operands.reduce(0) { $0 + Double($1.bytes) }
    case .collective(let probe): Double(probe.bytes)
    case .interpretation: 0
    case .sharing(let probe): Double(probe.bytes)
    }
  }

  /// All times of a plan are stretched by it, and one of a tenth of a second says little of it.
  package var leastLimitSeconds: Double {
    if case .sharing = work { return 1.5 }
    return 0
  }

  /// Cores are shared with no other programs but by chance.
  package var countsLeast: Bool {
    if case .sharing = work { return true }
    return false
  }

  /// Each sample of what threads do together starts them and faults their memory in.
  package var maximumSamples: Int {
    switch work {
    case .collective, .interpretation: 9
    case .sharing: 2
    case .product, .kernel: .max
    }
  }
}
