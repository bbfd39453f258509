import Executor
import PlanIR

/// How fast products of each element type have run, to foresee whether the next one fits a budget.
struct Rates {
  /// Best floating-point operations a second.
  private var best: [DType: Double] = [:]

  /// Bytes a second that no core moves.
  private static let mostBytes = 1e11

  /// Seconds one run of `task` takes at least: of a product by its arithmetic, of others by what they
  /// touch or say.
  mutating func expectedSeconds(
    of task: CalibrationTask, on bench: ProductBench
  ) throws(CalibrationError) -> Double {
    if case .sharing = task.work { return SharingProbe.leastSeconds }
    guard case .product(let product) = task.work else { return task.bytes / Self.mostBytes }
    // Threads share it evenly at best.
    return try expectedSeconds(of: product, on: bench) / Double(task.threads)
  }

  /// Seconds one run of `product` takes at least, by the best rate so far; before anything is known
  /// of its type, by one cube of 256 that is run for it.
  private mutating func expectedSeconds(
    of product: MatmulProduct, on bench: ProductBench
  ) throws(CalibrationError) -> Double {
    if best[product.dtype] == nil,
      let probe = MatmulProduct(m: 256, n: 256, k: 256, dtype: product.dtype)
    {
      try bench.prepare(probe)
      _ = bench.seconds(of: probe, repetitions: 1)
      note(probe, seconds: bench.seconds(of: probe, repetitions: 3) / 3)
    }
    return product.flops / (best[product.dtype] ?? .infinity)
  }

  /// Learns from a measured product of one thread.
  mutating func note(_ task: CalibrationTask, _ timing: Timing) {
    guard case .product(let product) = task.work, task.threads == 1 else { return }
    note(product, seconds: timing.medianNanoseconds * 1e-9)
  }

  private mutating func note(_ product: MatmulProduct, seconds: Double) {
    guard seconds > 0 else { return }
    best[product.dtype] = max(best[product.dtype] ?? 0, product.flops / seconds)
  }
}
