package import PlanIR

/// The best rates among what was measured on a GPU: what its products and its copies reach.
package struct CUDARates: Sendable {
  /// A rate: of products floating-point operations a second, of copies bytes copied a second.
  package struct Rate: Hashable, Sendable {
    /// The arithmetic or the direction, as in ``CUDAArithmetic`` and ``CUDACopy/Direction``.
    package let name: String
    package let isProduct: Bool
    package let perSecond: Double
  }

  /// Products by arithmetic, then copies by direction; what was not measured is left out.
  package let all: [Rate]

  /// The best of `timings`, those of one GPU.
  package init(_ timings: [TimingKey: Timing]) {
    let products = CUDAArithmetic.allCases.map { arithmetic in
      Rate(
        name: arithmetic.rawValue, isProduct: true,
        perSecond: Self.best(timings) { key in
          guard key.kernel == MatmulTimings.kernel, key.backend == arithmetic.backend,
            key.dtype == arithmetic.dtype, key.shape.count == 3
          else { return nil }
          return key.shape.reduce(2) { $0 * Double($1) }
        })
    }
    let copies = CUDACopy.Direction.allCases.map { direction in
      Rate(
        name: direction.rawValue, isProduct: false,
        perSecond: Self.best(timings) { key in
          guard key.kernel == direction.rawValue, key.backend == CUDACopy.backend else {
            return nil
          }
          return key.shape.first.map(Double.init)
        })
    }
    all = (products + copies).filter { $0.perSecond > 0 }
  }

  private static func best(
    _ timings: [TimingKey: Timing], work: (TimingKey) -> Double?
  ) -> Double {
    timings.reduce(0) { best, entry in
      guard entry.value.medianNanoseconds > 0, let work = work(entry.key) else { return best }
      return max(best, work / (entry.value.medianNanoseconds * 1e-9))
    }
  }
}
