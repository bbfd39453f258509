internal import PlanIR

#if canImport(Glibc)
  internal import Glibc
#endif

extension ActivationKind {
  /// sqrt(2 / pi) and the cubic term of GELU's tanh approximation.
  private static let tanhFactor = (2 / Double.pi).squareRoot()
  private static let cubic = 0.044715

  /// The function at `x`.
  func value(at x: Double) -> Double {
    switch self {
    case .geluTanh: 0.5 * x * (1 + Self.tangent(x))
    case .geluErf: 0.5 * x * (1 + erf(x / 2.0.squareRoot()))
    case .relu: x > 0 ? x : 0
    case .silu: x * Self.sigmoid(x)
    }
  }

  /// The function's derivative at `x`; 0 at relu's corner.
  func slope(at x: Double) -> Double {
    switch self {
    case .geluTanh:
      let tangent = Self.tangent(x)
      let inner = Self.tanhFactor * (1 + 3 * Self.cubic * x * x)
      return 0.5 * (1 + tangent) + 0.5 * x * (1 - tangent * tangent) * inner
    case .geluErf:
      let density = exp(-0.5 * x * x) / (2 * Double.pi).squareRoot()
      return 0.5 * (1 + erf(x / 2.0.squareRoot())) + x * density
    case .relu:
      return x > 0 ? 1 : 0
    case .silu:
      let sigmoid = Self.sigmoid(x)
      return sigmoid + x * sigmoid * (1 - sigmoid)
    }
  }

  private static func tangent(_ x: Double) -> Double {
    tanh(tanhFactor * (x + cubic * x * x * x))
  }

  private static func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
}
