import Glibc
package import PlanIR

extension Naive {
  /// The nonlinearity at `x`, by its textbook formula.
  package static func activation(_ kind: ActivationKind, _ x: Double) -> Double {
    switch kind {
    case .geluTanh:
      0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case .geluErf: 0.5 * x * erfc(-x / 2.0.squareRoot())
    case .relu: max(x, 0)
    case .silu: x / (1 + exp(-x))
    }
  }
}
