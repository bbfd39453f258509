internal import PlanIR

extension ForwardPass {
  /// Rows of a table [vocabulary, hidden] by token: the stream [batch, sequence, hidden].
  mutating func embed(
    _ operation: ModelOperation, _ operands: [Tensor], _ scope: BlockScope
  ) throws(ReferenceError) -> Tensor {
    let table = operands[0]
    try scope.require(
      table.dimensions == [.vocabulary, .hidden], "a table [vocabulary, hidden]", operation,
      operands)
    let rows = input.tokens.map { Int($0) }
    let width = table.width
    let elements = rows.flatMap { table.elements[$0 * width..<($0 + 1) * width] }
    let count = table.elements.count
    return tape.record(Self.stream, streamShape, elements, from: [table]) { gradient in
      var sum = [Double](repeating: 0, count: count)
      for (place, row) in rows.enumerated() {
        for index in 0..<width { sum[row * width + index] += gradient[place * width + index] }
      }
      return [sum]
    }
  }

  /// The stream plus row s of a table [positions, hidden] at position s.
  mutating func addPositions(
    _ operation: ModelOperation, _ operands: [Tensor], _ scope: BlockScope
  ) throws(ReferenceError) -> Tensor {
    let (x, table) = (operands[0], operands[1])
    let period = workload.sequence * x.width
    try scope.require(
      x.dimensions == Self.stream && table.dimensions == [.positions, .hidden]
        && table.elements.count >= period,
      "the stream and a table [positions, hidden] as long as the sequence", operation, operands)
    var elements = x.elements
    for index in elements.indices { elements[index] += table.elements[index % period] }
    let count = table.elements.count
    return tape.record(like: x, elements, from: operands) { gradient in
      var sum = [Double](repeating: 0, count: count)
      for index in gradient.indices { sum[index % period] += gradient[index] }
      return [gradient, sum]
    }
  }
}
