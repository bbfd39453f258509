/// A nonlinearity and its derivative at one element, branch-free so that loops over it vectorise.
protocol ActivationFunction {
  /// The function at `x`.
  static func value<Scalar: KernelFloat>(_ x: Scalar) -> Scalar
  /// The derivative at `x`.
  static func slope<Scalar: KernelFloat>(_ x: Scalar) -> Scalar
}

/// 0.5 x (1 + tanh u) with u = sqrt(2 / pi) (x + 0.044715 x^3).
///
/// Computed as x * sigmoid(2 u), the same function, which loses nothing where tanh nears -1.
enum GeluTanh: ActivationFunction {
  @inline(__always)
  static func value<Scalar: KernelFloat>(_ x: Scalar) -> Scalar {
    x * Sigmoid(doubledInner(x)).value
  }

  @inline(__always)
  static func slope<Scalar: KernelFloat>(_ x: Scalar) -> Scalar {
    let sigmoid = Sigmoid(doubledInner(x))
    let inner = Scalar(1.5957691216057308) * (1 + Scalar(0.134145) * x * x)
    return sigmoid.value + x * sigmoid.slope * inner
  }

  /// 2 u; 1.5957... is 2 sqrt(2 / pi).
  @inline(__always)
  private static func doubledInner<Scalar: KernelFloat>(_ x: Scalar) -> Scalar {
    Scalar(1.5957691216057308) * (x + Scalar(0.044715) * x * x * x)
  }
}

/// x P(X <= x) for a standard normal X: 0.5 x (1 + erf(x / sqrt 2)).
enum GeluErf: ActivationFunction {
  @inline(__always)
  static func value<Scalar: KernelFloat>(_ x: Scalar) -> Scalar {
    x * Scalar.normal(at: x).cumulative
  }

  @inline(__always)
  static func slope<Scalar: KernelFloat>(_ x: Scalar) -> Scalar {
    let (cumulative, density) = Scalar.normal(at: x)
    return cumulative + x * density
  }
}

/// max(x, 0), with derivative 0 at 0.
enum Relu: ActivationFunction {
  @inline(__always)
  static func value<Scalar: KernelFloat>(_ x: Scalar) -> Scalar { x > 0 ? x : 0 }

  @inline(__always)
  static func slope<Scalar: KernelFloat>(_ x: Scalar) -> Scalar { x > 0 ? 1 : 0 }
}

/// x sigmoid(x).
enum Silu: ActivationFunction {
  @inline(__always)
  static func value<Scalar: KernelFloat>(_ x: Scalar) -> Scalar { x * Sigmoid(x).value }

  @inline(__always)
  static func slope<Scalar: KernelFloat>(_ x: Scalar) -> Scalar {
    let sigmoid = Sigmoid(x)
    return sigmoid.value + x * sigmoid.slope
  }
}

/// The logistic function and its derivative, without cancellation on either side.
private struct Sigmoid<Scalar: KernelFloat> {
  var value, slope: Scalar

  @inline(__always)
  init(_ x: Scalar) {
    // Further out the exponential would overflow and the derivative become inf * 0.
    let limit = Scalar.largestExponent
    let above = x < -limit ? -limit : x
    let opposite = Scalar.boundedExponential(-(above > limit ? limit : above))
    value = 1 / (1 + opposite)
    slope = opposite * value * value
  }
}
