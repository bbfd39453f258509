import PlanIR

/// How fast products of each element type have run, to foresee whether the next one fits a budget.
struct Rates {
  /// Best floating-point operations a second.
  private var best: [DType: Double] = [:]

  /// Seconds one run of `product` takes at least, by the best rate so far; before anything is known
  /// of its type, by one cube of 256 that is run for it.
  mutating func expectedSeconds(
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

  /// Learns from a measured product.
  mutating func note(_ product: MatmulProduct, _ timing: Timing) {
    note(product, seconds: timing.medianNanoseconds * 1e-9)
  }

  private mutating func note(_ product: MatmulProduct, seconds: Double) {
    guard seconds > 0 else { return }
    best[product.dtype] = max(best[product.dtype] ?? 0, product.flops / seconds)
  }
}
