internal import PlanIR

extension ForwardPass {
  /// LayerNorm or RMSNorm of x [..., width] over its last dimension, times a gain [width], plus a
  /// bias [width] of LayerNorm.
  mutating func norm(
    _ kind: NormKind, _ epsilon: Double, _ operation: ModelOperation, _ operands: [Tensor],
    _ scope: BlockScope
  ) throws(ReferenceError) -> Tensor {
    let (x, gain) = (operands[0], operands[1].elements)
    try scope.require(
      operands.dropFirst().allSatisfy { $0.dimensions == x.dimensions.suffix(1) },
      "a gain and bias of the input's last dimension", operation, operands)
    let normalized = NormalizedRows(x, kind, epsilon)
    var elements = normalized.elements
    for index in elements.indices { elements[index] *= gain[index % x.width] }
    if operands.count > 2 {
      let bias = operands[2].elements
      for index in elements.indices { elements[index] += bias[index % x.width] }
    }
    let hasBias = operands.count > 2
    return tape.record(like: x, elements, from: operands) { gradient in
      normalized.differentiate(gradient, gain: gain, hasBias: hasBias)
    }
  }
}

/// Rows less their mean (LayerNorm only), over their root mean square.
private struct NormalizedRows {
  /// Row-major [rows, width].
  var elements: [Double]
  /// Of each row, the factor after its mean was taken off.
  private var factors: [Double] = []
  private let width: Int
  private let isCentred: Bool

  init(_ x: Tensor, _ kind: NormKind, _ epsilon: Double) {
    elements = x.elements
    width = x.width
    isCentred = kind == .layer
    for row in 0..<x.rows { normalize(row * width..<(row + 1) * width, epsilon) }
  }

  private mutating func normalize(_ row: Range<Int>, _ epsilon: Double) {
    var mean = 0.0
    if isCentred {
      for index in row { mean += elements[index] }
      mean /= Double(width)
    }
    var square = 0.0
    for index in row {
      elements[index] -= mean
      square += elements[index] * elements[index]
    }
    let factor = 1 / (square / Double(width) + epsilon).squareRoot()
    for index in row { elements[index] *= factor }
    factors.append(factor)
  }

  /// The gradients of x, gain and bias. With n a normalized row, r its factor and s the slope times
  /// gain: dx = r (s - mean(s) - n mean(s n)), without mean(s) where rows are not centred.
  func differentiate(_ gradient: [Double], gain: [Double], hasBias: Bool) -> [[Double]] {
    var input = [Double](repeating: 0, count: elements.count)
    var gainGradient = [Double](repeating: 0, count: width)
    var biasGradient = gainGradient
    for (row, factor) in factors.enumerated() {
      let start = row * width
      var mean = 0.0
      var product = 0.0
      for column in 0..<width {
        let slope = gradient[start + column]
        gainGradient[column] += slope * elements[start + column]
        biasGradient[column] += slope
        mean += slope * gain[column] / Double(width)
        product += slope * gain[column] * elements[start + column] / Double(width)
      }
      for column in 0..<width {
        let slope = gradient[start + column] * gain[column] - (isCentred ? mean : 0)
        input[start + column] = factor * (slope - elements[start + column] * product)
      }
    }
    return [input, gainGradient] + (hasBias ? [biasGradient] : [])
  }
}
