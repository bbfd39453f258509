import Glibc

extension Naive {
  /// x [batch, sequence, heads, width] turned pair by pair, as ``RotaryKernels`` documents it.
  package static func rotate(
    _ x: [Double], shape: RotaryShape, frequencies: [Double], attentionFactor: Double,
    inverse: Bool
  ) -> [Double] {
    let half = shape.width / 2
    return x.indices.map { index in
      let element = index % shape.width
      let row = index / (shape.width * shape.heads) % shape.sequence
      let angle = Double(shape.positions[row]) * frequencies[element % half]
      let partner = element < half ? -x[index + half] : x[index - half]
      let turned = x[index] * cos(angle) + (inverse ? -partner : partner) * sin(angle)
      return turned * attentionFactor
    }
  }
}
