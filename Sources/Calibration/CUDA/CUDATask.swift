package import PlanIR

/// Something to be measured on a GPU.
package enum CUDATask: MeasuredTask {
  case product(CUDAProduct)
  /// Another kernel, with what it has to do.
  case kernel(CUDAKernel, amount: KernelAmount)
  case copy(CUDACopy)

  /// Under what its time is kept on a machine.
  package func key(on fingerprint: String) -> TimingKey {
    switch self {
    case .product(let product): product.key(fingerprint: fingerprint)
    case .kernel(let kernel, _): kernel.key(fingerprint: fingerprint)
    case .copy(let copy): copy.key(fingerprint: fingerprint)
    }
  }

  /// What a kernel has to do; nil of others, whose shapes say it.
  package var amount: KernelAmount? {
    if case .kernel(_, let amount) = self { return amount }
    return nil
  }

  /// Bytes of its operands on the device.
  package var bytes: Double {
    switch self {
    case .product(let product): product.bytes
    case .kernel(let kernel, _): kernel.bytes
    case .copy(let copy): 2 * Double(copy.count)
    }
  }

  /// As many as the policy says.
  package var maximumSamples: Int { .max }
}
