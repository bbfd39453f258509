internal import PlanIR

/// The factors that dropout multiplies a value's elements with: 0, or 1 / (1 - probability).
struct DropoutMask {
  private let probability: Double
  private let generator: CounterGenerator

  init(_ probability: Double, seed: UInt64, site: String) {
    self.probability = probability
    generator = CounterGenerator(seed: seed, name: site)
  }

  /// The factor of the element at row-major `index` of the whole, unsharded value.
  subscript(index: Int) -> Double {
    guard probability > 0 else { return 1 }
    return generator.uniform(at: UInt64(index)) >= probability ? 1 / (1 - probability) : 0
  }
}
