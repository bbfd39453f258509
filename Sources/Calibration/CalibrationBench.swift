import Executor
import Kernels
import PlanIR

/// Runs whatever is measured.
final class CalibrationBench: TaskBench {
  let products: ProductBench
  private let kernels: KernelBench
  private let collectives = CollectiveBench()
  private var rates = Rates()

  init(clock: CalibrationClock) {
    products = ProductBench(clock: clock)
    kernels = KernelBench(clock: clock)
  }

  /// Makes memory for `task`, and gives BLAS its threads.
  func prepare(_ task: CalibrationTask) throws {
    BLASLibrary.setThreads(task.threads)
    switch task.work {
    case .product(let product): try products.prepare(product)
    case .kernel(let probe, _): try kernels.prepare(probe)
    case .collective, .interpretation, .sharing: break
    }
  }

  /// CPU seconds of `repetitions` runs of `task`, for which ``prepare(_:)`` was called last.
  func seconds(of task: CalibrationTask, repetitions: Int) throws -> Double {
    switch task.work {
    case .product(let product): products.seconds(of: product, repetitions: repetitions)
    case .kernel: kernels.seconds(repetitions: repetitions)
    case .collective(let probe):
      try collectives.seconds(of: probe, repetitions: repetitions)
    case .interpretation(let probe): try probe.seconds(repetitions: repetitions)
    case .sharing(let probe): try probe.seconds(repetitions: repetitions)
    }
  }

  func expectedSeconds(of task: CalibrationTask) throws -> Double {
    BLASLibrary.setThreads(1)
    return try rates.expectedSeconds(of: task, on: products)
  }

  func note(_ task: CalibrationTask, _ timing: Timing) { rates.note(task, timing) }
}
