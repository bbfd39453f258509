package import PlanIR

extension ActivationKernels {
  /// y = act(gate) * up.
  package static func gatedForward(
    _ kind: ActivationKind, gate: TensorView, up: TensorView, into y: TensorView
  ) {
    switch kind {
    case .geluTanh: gatedForward(GeluTanh.self, gate, up, y)
    case .geluErf: gatedForward(GeluErf.self, gate, up, y)
    case .relu: gatedForward(Relu.self, gate, up, y)
    case .silu: gatedForward(Silu.self, gate, up, y)
    }
  }

  private static func gatedForward<Function: ActivationFunction>(
    _ function: Function.Type, _ gate: TensorView, _ up: TensorView, _ y: TensorView
  ) {
    precondition(gate.count == y.count && up.count == y.count, "gate of unequal counts")
    switch y.precision {
    case .single:
      products(function, gate.values(Float.self), up.values(), y.values(), count: y.count)
    case .double:
      products(function, gate.values(Double.self), up.values(), y.values(), count: y.count)
    }
  }

  private static func products<Function: ActivationFunction, Scalar: KernelFloat>(
    _ function: Function.Type, _ gate: UnsafePointer<Scalar>, _ up: UnsafePointer<Scalar>,
    _ y: UnsafeMutablePointer<Scalar>, count: Int
  ) {
    for index in 0..<count { y[index] = function.value(gate[index]) * up[index] }
  }

  /// dGate = dy * up * act'(gate) and dUp = dy * act(gate); the outputs must not overlap the
  /// inputs or each other.
  package static func gatedGradient(
    _ kind: ActivationKind, dy: TensorView, gate: TensorView, up: TensorView,
    into dGate: TensorView, _ dUp: TensorView
  ) {
    switch kind {
    case .geluTanh: gatedGradient(GeluTanh.self, dy, gate, up, dGate, dUp)
    case .geluErf: gatedGradient(GeluErf.self, dy, gate, up, dGate, dUp)
    case .relu: gatedGradient(Relu.self, dy, gate, up, dGate, dUp)
    case .silu: gatedGradient(Silu.self, dy, gate, up, dGate, dUp)
    }
  }

  private static func gatedGradient<Function: ActivationFunction>(
    _ function: Function.Type, _ dy: TensorView, _ gate: TensorView, _ up: TensorView,
    _ dGate: TensorView, _ dUp: TensorView
  ) {
    precondition(gate.count == dy.count && up.count == dy.count, "gate of unequal counts")
    switch dy.precision {
    case .single:
      gradients(
        function, dy.values(Float.self), gate.values(), up.values(), dGate.values(), dUp.values(),
        count: dy.count)
    case .double:
      gradients(
        function, dy.values(Double.self), gate.values(), up.values(), dGate.values(),
        dUp.values(), count: dy.count)
    }
  }

  private static func gradients<Function: ActivationFunction, Scalar: KernelFloat>(
    _ function: Function.Type, _ dy: UnsafePointer<Scalar>, _ gate: UnsafePointer<Scalar>,
    _ up: UnsafePointer<Scalar>, _ dGate: UnsafeMutablePointer<Scalar>,
    _ dUp: UnsafeMutablePointer<Scalar>, count: Int
  ) {
    for index in 0..<count {
      let (upstream, input) = (dy[index], gate[index])
      dGate[index] = upstream * up[index] * function.slope(input)
      dUp[index] = upstream * function.value(input)
    }
  }
}
