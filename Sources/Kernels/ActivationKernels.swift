package import PlanIR

/// Nonlinearities, plain and gated, and their gradients; all element by element.
///
/// The loops are spelt out and not ``Loops``': a closure as large as these functions is not inlined
/// where it is used twice, and a call an element took 17 ns against 3.7 (geluErf).
package enum ActivationKernels {
  /// y = act(x); in place ok.
  package static func forward(_ kind: ActivationKind, _ x: TensorView, into y: TensorView) {
    switch kind {
    case .geluTanh: forward(GeluTanh.self, x, y)
    case .geluErf: forward(GeluErf.self, x, y)
    case .relu: forward(Relu.self, x, y)
    case .silu: forward(Silu.self, x, y)
    }
  }

  private static func forward<Function: ActivationFunction>(
    _ function: Function.Type, _ x: TensorView, _ y: TensorView
  ) {
    precondition(x.count == y.count, "activation of unequal counts")
    switch y.precision {
    case .single: values(function, x.values(Float.self), y.values(), count: y.count)
    case .double: values(function, x.values(Double.self), y.values(), count: y.count)
    }
  }

  private static func values<Function: ActivationFunction, Scalar: KernelFloat>(
    _ function: Function.Type, _ x: UnsafePointer<Scalar>, _ y: UnsafeMutablePointer<Scalar>,
    count: Int
  ) {
    if x == UnsafePointer(y) {
      for index in 0..<count { y[index] = function.value(y[index]) }
    } else {
      for index in 0..<count { y[index] = function.value(x[index]) }
    }
  }

  /// dx = dy * act'(x); in place ok on `dy`.
  package static func gradient(
    _ kind: ActivationKind, dy: TensorView, x: TensorView, into dx: TensorView
  ) {
    switch kind {
    case .geluTanh: gradient(GeluTanh.self, dy, x, dx)
    case .geluErf: gradient(GeluErf.self, dy, x, dx)
    case .relu: gradient(Relu.self, dy, x, dx)
    case .silu: gradient(Silu.self, dy, x, dx)
    }
  }

  private static func gradient<Function: ActivationFunction>(
    _ function: Function.Type, _ dy: TensorView, _ x: TensorView, _ dx: TensorView
  ) {
    precondition(x.count == dx.count && dy.count == dx.count, "activation of unequal counts")
    switch dx.precision {
    case .single:
      slopes(function, dy.values(Float.self), x.values(), dx.values(), count: dx.count)
    case .double:
      slopes(function, dy.values(Double.self), x.values(), dx.values(), count: dx.count)
    }
  }

  private static func slopes<Function: ActivationFunction, Scalar: KernelFloat>(
    _ function: Function.Type, _ dy: UnsafePointer<Scalar>, _ x: UnsafePointer<Scalar>,
    _ dx: UnsafeMutablePointer<Scalar>, count: Int
  ) {
    if dy == UnsafePointer(dx) {
      for index in 0..<count { dx[index] *= function.slope(x[index]) }
    } else {
      for index in 0..<count { dx[index] = dy[index] * function.slope(x[index]) }
    }
  }
}
