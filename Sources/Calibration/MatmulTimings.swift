package import PlanIR

/// How times of products are found among all timings.
package enum MatmulTimings {
  /// The kernel's name in keys.
  package static let kernel = OperationKind.matmul.name
  /// What runs products, in keys.
  package static let backend = "openblas"

  /// A product's measured time, as a planner's table takes it.
  package typealias Entry = (m: Int, n: Int, k: Int, transposition: String, seconds: Double)

  /// The times of all products among `timings`.
  ///
  /// - Parameters:
  ///   - timings: Timings of any kernels on any machines.
  ///   - fingerprint: The machine that plans are made for.
  ///   - dtype: The element type that plans are made for.
  /// - Returns: Median seconds of one product, in the order of keys.
  package static func matmulSeconds(
    from timings: [(key: TimingKey, timing: Timing)], fingerprint: String, dtype: DType
  ) -> [Entry] {
    timings.filter { key, _ in
      key.kernel == kernel && key.backend == backend && key.dtype == dtype
        && key.fingerprint == fingerprint && key.shape.count == 3
    }
    .sorted { $0.key < $1.key }
    .map { key, timing in
      Entry(
        m: key.shape[0], n: key.shape[1], k: key.shape[2], transposition: key.transposition,
        seconds: timing.medianNanoseconds * 1e-9)
    }
  }
}
