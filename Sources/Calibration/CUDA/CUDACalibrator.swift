package import PlanIR

/// Measures products, kernels and copies on a GPU, by the device's own events.
///
/// Nothing of CUDA is needed to build this: libraries are opened when a calibrator is made. Operands are
/// cut from a ring larger than the second-level cache, as ``Calibrator`` does on a core. Runs follow each
/// other in one stream, so a kernel that is shorter than its launch takes as long as that: a few
/// microseconds. Attention is not measured but for the softmax of its unfused form: cuDNN, which frameworks leave it to,
/// is not used; who prices a plan models it from its parts.
package struct CUDACalibrator {
  /// The GPU with its libraries; part of every key.
  package let fingerprint: String
  /// How the GPU can compute products.
  package let arithmetics: [CUDAArithmetic]
  private let device: CUDADevice
  private let blas: CUDABLAS
  private let compiler: CUDACompiler
  private let origin: MeasurementOrigin
  private let policy: SamplingPolicy
  private let memoryLimit: Int
  private let clock: CalibrationClock

  /// A calibrator of the first GPU.
  ///
  /// - Parameters:
  ///   - path: Where the libraries are looked for.
  ///   - origin: What is noted beside every timing.
  ///   - policy: How long each task is measured.
  ///   - memoryLimit: The most bytes that one task's operands may take; by default half of what is free.
  ///   - clock: Whose wall clock the budget is measured by.
  /// - Throws: ``CUDAError`` where there is no GPU or a library is missing.
  package init(
    along path: CUDASearchPath, origin: MeasurementOrigin,
    policy: SamplingPolicy = SamplingPolicy(), memoryLimit: Int? = nil,
    clock: CalibrationClock = .system
  ) throws(CUDAError) {
    device = try CUDADevice(along: path)
    blas = try CUDABLAS(device, along: path)
    compiler = try CUDACompiler(device, along: path)
    fingerprint = try CUDAFingerprint(device, blas, compiler).text
    arithmetics = CUDAArithmetic.all(capability: try device.capability())
    (self.origin, self.policy, self.clock) = (origin, policy, clock)
    let free = try device.freeBytes()
    self.memoryLimit = memoryLimit ?? free / 2
  }

  /// Measures `tasks` in their order until `budget` is used up, storing each at once, as
  /// ``Calibrator/calibrate(_:budget:known:again:into:progress:)`` does.
  ///
  /// - Parameters:
  ///   - tasks: What to measure; repetitions count once.
  ///   - budget: Seconds of the wall clock.
  ///   - known: What is known already.
  ///   - again: Whether what is known is measured, too, and samples are added to it.
  ///   - sink: Where each finished timing goes before the next one starts.
  ///   - progress: Told of each as soon as it is stored.
  /// - Returns: What was measured and what was not.
  /// - Throws: ``CUDAError``, and what `sink` and `progress` throw; what was measured is stored, and all
  ///   memory of the device is given back.
  package func calibrate(
    _ tasks: [CUDATask], budget: Double, known: [TimingKey: Timing] = [:], again: Bool = false,
    into sink: any TimingSink,
    progress: (CalibrationProgress) throws -> Void = { _ in }
  ) throws -> CalibrationOutcome {
    let end = clock.wall() + budget
    let loop = CalibrationLoop<CUDABench>(
      machine: fingerprint, origin: origin, policy: policy, memoryLimit: memoryLimit,
      clock: clock)
    return try loop.run(
      tasks, until: end, known: known, again: again, on: CUDABench(device, blas, compiler),
      into: sink, progress: progress)
  }
}

extension CUDAFingerprint {
  /// What the device and its libraries say of themselves.
  init(
    _ device: CUDADevice, _ blas: CUDABLAS, _ compiler: CUDACompiler
  ) throws(CUDAError) {
    self.init(
      name: try device.name(), processors: try device.value(of: .processors),
      megahertz: try device.value(of: .clock) / 1000, driverVersion: try device.driverVersion(),
      blasVersion: try blas.version(), compilerVersion: try compiler.version())
  }
}
