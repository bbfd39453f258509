import Calibration
import Executor
import Partitioner
import PlanIR

/// What programs ask this machine to measure.
struct CalibrationTasks {
  /// The type that is computed in.
  let dtype: DType
  /// What runs it.
  var machine = MachineFingerprint.here

  /// Kernels of `programs`, products first, as far as `isWanted` says; with as many BLAS threads as a run has.
  func kernels(
    of programs: [Program], where isWanted: (PlannedKernel) -> Bool = { _ in true }
  ) -> [CalibrationTask] {
    var (products, others): ([CalibrationTask], [CalibrationTask]) = ([], [])
    for program in programs {
      for kernel in Partitioner.kernels(of: program) where isWanted(kernel) {
        guard let task = task(kernel, of: program) else { continue }
        if kernel.product == nil { others.append(task) } else { products.append(task) }
      }
    }
    return products + others
  }

  /// Products of `programs`.
  func products(of programs: [Program]) -> [MatmulProduct] {
    kernels(of: programs) { $0.product != nil }.compactMap {
      if case .product(let product) = $0.work { product } else { nil }
    }
  }

  private func task(_ kernel: PlannedKernel, of program: Program) -> CalibrationTask? {
    let threads = machine.threads(devices: program.mesh.deviceCount)
    guard let size = kernel.product else {
      return KernelProbe(
        kernel.call, in: program.bodies[kernel.body], of: program, dtype: dtype
      ).map { .kernel($0, amount: kernel.amount, threads: threads) }
    }
    return MatmulProduct.Transposition(rawValue: size.transposition).flatMap {
      MatmulProduct(m: size.m, n: size.n, k: size.k, transposition: $0, dtype: dtype)
    }.map { .product($0, threads: threads) }
  }

  /// A collective among `devices` on small buffers and large ones.
  func collective(_ name: String, devices: Int) -> [CalibrationTask] {
    guard let pattern = CollectiveProbe.Pattern(rawValue: name) else { return [] }
    return Self.sizes.map {
      .collective(CollectiveProbe(pattern, devices: devices, elements: $0, dtype: dtype))
    }
  }

  /// Every collective in groups of up to 16 threads.
  var collectives: [CalibrationTask] {
    CollectiveProbe.Pattern.allCases.flatMap { pattern in
      [2, 4, 8, 16].flatMap { collective(pattern.rawValue, devices: $0) }
    }
  }

  /// What each kernel that threads run takes beside what it computes; measured in float32 alone.
  var shared: [CalibrationTask] { dtype == .float32 ? [interpretation, sharing] : [] }

  /// What running a kernel takes beside what it computes, on as many threads as there are cores, two at least.
  var interpretation: CalibrationTask {
    .interpretation(InterpretationProbe(devices: max(2, machine.cores)))
  }

  /// How much longer threads take for sharing cores, of which there are half as many.
  var sharing: CalibrationTask { .sharing(SharingProbe(devices: 2 * machine.cores)) }

  /// Elements of what is communicated, so far apart that times between follow: from what latency decides
  /// to what bandwidth does.
  private static let sizes = [1 << 6, 1 << 11, 1 << 14, 1 << 17, 1 << 19]
}
