internal import PlanIR

extension ForwardPass {
  /// x [..., in] times a weight [in, out] or [out, in], plus a bias [out]; in and out may each be
  /// several dimensions.
  mutating func linear(
    _ operation: ModelOperation, _ operands: [Tensor], _ scope: BlockScope
  ) throws(ReferenceError) -> Tensor {
    let (x, weight) = (operands[0], operands[1])
    let contracted = x.dimensions.filter { weight.dimensions.contains($0) }
    let outer = weight.dimensions.filter { !contracted.contains($0) }
    let isFirst = weight.dimensions == contracted + outer
    try scope.require(
      !contracted.isEmpty && !outer.isEmpty && !x.elements.isEmpty
        && x.dimensions.suffix(contracted.count) == contracted[...]
        && (isFirst || weight.dimensions == outer + contracted)
        && operands.dropFirst(2).allSatisfy { $0.dimensions == outer },
      "a weight whose first or last dimensions are the input's last, a bias of the others",
      operation, operands)
    return multiply(operands, contracted: contracted.count, isContractedFirst: isFirst)
  }

  /// The product, where the weight's first or last `contracted` dimensions are those of x.
  private mutating func multiply(
    _ operands: [Tensor], contracted: Int, isContractedFirst: Bool
  ) -> Tensor {
    let (x, weight) = (operands[0], operands[1])
    let inner = x.shape.suffix(contracted).reduce(1, *)
    let rows = x.elements.count / inner
    let columns = weight.elements.count / inner
    let left = Matrix(rows, inner, x.elements)
    let right =
      isContractedFirst
      ? Matrix(inner, columns, weight.elements)
      : Matrix(columns, inner, weight.elements).transposed
    var elements = product(left, right)
    let hasBias = operands.count > 2
    if hasBias { Self.add(operands[2].elements, to: &elements) }
    let outer =
      isContractedFirst
      ? contracted..<weight.shape.count : 0..<(weight.shape.count - contracted)
    return tape.record(
      x.dimensions.dropLast(contracted) + weight.dimensions[outer],
      x.shape.dropLast(contracted) + weight.shape[outer], elements, from: operands
    ) { [product] gradient in
      let slope = Matrix(rows, columns, gradient)
      let weightGradient =
        isContractedFirst ? product(left.transposed, slope) : product(slope.transposed, left)
      return [product(slope, right.transposed), weightGradient]
        + (hasBias ? [Self.sumRows(gradient, width: columns)] : [])
    }
  }

  /// Adds `row` to every row of `elements`.
  private static func add(_ row: [Double], to elements: inout [Double]) {
    for index in elements.indices { elements[index] += row[index % row.count] }
  }

  /// The sum of the rows of `elements` [rows, width].
  private static func sumRows(_ elements: [Double], width: Int) -> [Double] {
    var sum = [Double](repeating: 0, count: width)
    for index in elements.indices { sum[index % width] += elements[index] }
    return sum
  }
}
