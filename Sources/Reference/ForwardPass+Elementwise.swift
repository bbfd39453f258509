internal import PlanIR

extension ForwardPass {
  /// The sum of two values of equal dimensions.
  mutating func add(
    _ operation: ModelOperation, _ operands: [Tensor], _ scope: BlockScope
  ) throws(ReferenceError) -> Tensor {
    let (x, y) = (operands[0], operands[1].elements)
    try scope.require(
      x.dimensions == operands[1].dimensions && x.shape == operands[1].shape, "equal dimensions",
      operation, operands)
    var elements = x.elements
    for index in elements.indices { elements[index] += y[index] }
    return tape.record(like: x, elements, from: operands) { [$0, $0] }
  }

  /// `kind` of every element.
  mutating func activate(_ kind: ActivationKind, _ x: Tensor) -> Tensor {
    tape.record(like: x, x.elements.map { kind.value(at: $0) }, from: [x]) { gradient in
      var result = gradient
      for index in result.indices { result[index] *= kind.slope(at: x.elements[index]) }
      return [result]
    }
  }

  /// `kind(gate) * up`, of equal dimensions.
  mutating func gate(
    _ kind: ActivationKind, _ operation: ModelOperation, _ operands: [Tensor], _ scope: BlockScope
  ) throws(ReferenceError) -> Tensor {
    let (gate, up) = (operands[0], operands[1])
    try scope.require(
      gate.dimensions == up.dimensions && gate.shape == up.shape, "equal dimensions", operation,
      operands)
    var elements = up.elements
    for index in elements.indices { elements[index] *= kind.value(at: gate.elements[index]) }
    return tape.record(like: gate, elements, from: operands) { gradient in
      var gates = gradient
      var ups = gradient
      for index in gradient.indices {
        gates[index] *= up.elements[index] * kind.slope(at: gate.elements[index])
        ups[index] *= kind.value(at: gate.elements[index])
      }
      return [gates, ups]
    }
  }

  /// Each element dropped with the workload's probability, the kept ones scaled up; element i is
  /// kept where the stream `site` draws at least the probability at i.
  mutating func drop(_ x: Tensor, site: String) -> Tensor {
    guard workload.dropout > 0 else { return x }
    let factors = DropoutMask(workload.dropout, seed: seed, site: site)
    var elements = x.elements
    for index in elements.indices { elements[index] *= factors[index] }
    return tape.record(like: x, elements, from: [x]) { gradient in
      var result = gradient
      for index in result.indices { result[index] *= factors[index] }
      return [result]
    }
  }
}
