package import PlanIR

/// Nonlinearities, plain and gated, and their gradients; all element by element.
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
    case .single:
      Loops.map(x.values(Float.self), into: y.values(), count: y.count) { function.value($0) }
    case .double:
      Loops.map(x.values(Double.self), into: y.values(), count: y.count) { function.value($0) }
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
      Loops.zip(dy.values(Float.self), x.values(), into: dx.values(), count: dx.count) {
        $0 * function.slope($1)
      }
    case .double:
      Loops.zip(dy.values(Double.self), x.values(), into: dx.values(), count: dx.count) {
        $0 * function.slope($1)
      }
    }
  }
}
