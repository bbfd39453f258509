package import Executor
package import PlanIR

/// Something to be measured.
package enum CalibrationTask: MeasuredTask {
  /// A matrix product.
  case product(MatmulProduct)
  /// Another kernel, with what it has to do.
  case kernel(KernelProbe, amount: KernelAmount)
  /// A collective among threads.
  case collective(CollectiveProbe)

  /// What runs kernels other than products, in keys.
  static let kernelBackend = "swift"
  /// What runs collectives, in keys.
  package static let collectiveBackend = "threads"

  /// Under what its time is kept on a machine.
  package func key(fingerprint: String) -> TimingKey {
    switch self {
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
    }
  }

  /// What a kernel has to do; nil of others, whose shapes say it.
  package var amount: KernelAmount? {
    if case .kernel(_, let amount) = self { return amount }
    return nil
  }

  /// Bytes of its operands.
  package var bytes: Double {
    switch self {
    case .product(let product): product.bytes
    case .kernel(let probe, _): probe.operands.reduce(0) { $0 + Double($1.bytes) }
    case .collective(let probe): Double(probe.bytes)
    }
  }

  /// Each sample of a collective starts the group's threads and faults their memory in.
  package var maximumSamples: Int {
    if case .collective = self { return 9 }
    return .max
  }
}
