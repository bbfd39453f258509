import Calibration
import Foundation
import Partitioner
import PlanIR
import TimingStore

/// Measures a GPU into the timing database.
struct CUDACalibration {
  let model: Model
  let workload: WorkloadOverrides
  let timings: LocalTimings

  /// What was done, on what, and what the GPU reaches by all that is stored of it.
  struct Answer {
    let outcome: CalibrationOutcome
    let fingerprint: String
    let rates: CUDARates
  }

  func run(
    budget: Double, policy: SamplingPolicy, again: Bool, progress: (CalibrationProgress) -> Void
  ) throws -> Answer {
    let path = CUDASearchPath(environment: ProcessInfo.processInfo.environment)
    let calibrator = try CUDACalibrator(along: path, origin: timings.origin, policy: policy)
    let database = try timings.database(.readWrite)
    let stored = try database.timings(fingerprint: calibrator.fingerprint)
    let outcome = try calibrator.calibrate(
      tasks(calibrator.arithmetics), budget: budget, known: stored, again: again, into: database,
      progress: progress)
    let rates = CUDARates(try database.timings(fingerprint: calibrator.fingerprint))
    return Answer(outcome: outcome, fingerprint: calibrator.fingerprint, rates: rates)
  }

  /// Products in every arithmetic; other kernels in 16 bits, as wide as in precision `mixed`, and in
  /// float32; copies.
  private func tasks(_ arithmetics: [CUDAArithmetic]) throws -> [CUDATask] {
    let narrow: DType = arithmetics.contains(.bfloat16) ? .bfloat16 : .float16
    let mixed = try programs(.mixed, microBatches: [1, 4])
    let products = CalibrationTasks(dtype: .float32).products(of: mixed)
    let wide = try programs(.fp32, microBatches: [1])
    let kernels = Self.kernels(of: mixed, narrow) + Self.kernels(of: wide, .float32)
    return arithmetics.flatMap { arithmetic in
      products.map { .product(CUDAProduct($0, in: arithmetic)) }
    } + kernels + CUDACopy.all.map { .copy($0) }
  }

  /// Programs of micro-batches of so many sequences, each on all the memory it may need.
  private func programs(_ precision: Precision, microBatches: [Int]) throws -> [Program] {
    try microBatches.flatMap { size in
      try CalibrationPrograms(
        model: model, workload: workload, cluster: "h100-sxm", precision: precision,
        microBatch: size
      ).all()
    }
  }

  private static func kernels(of programs: [Program], _ dtype: DType) -> [CUDATask] {
    programs.flatMap { program in
      Partitioner.kernels(of: program).compactMap { kernel in
        CUDAKernel(kernel.call, in: program.bodies[kernel.body], of: program, dtype: dtype)
          .map { .kernel($0, amount: kernel.amount) }
      }
    }
  }
}
