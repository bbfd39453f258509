import Glibc

/// The extents of a rotary position embedding over x [batch, sequence, heads, width].
package struct RotaryShape: Sendable {
  package var batch, sequence, heads, width: Int
  /// The global position of each local row.
  package var positions: [Int]

  /// The extents of a rotary position embedding.
  package init(batch: Int, heads: Int, width: Int, positions: [Int]) {
    self.batch = batch
    sequence = positions.count
    self.heads = heads
    self.width = width
    self.positions = positions
  }
}

/// Rotary position embeddings in Hugging Face's pairing: element i turns with i + width / 2.
package enum RotaryKernels {
  /// y [batch, sequence, heads, width] = x turned by position * frequencies [width / 2], times
  /// `attentionFactor`; in place ok.
  ///
  ///     y[i]             = f * (x[i] cos - x[i + width/2] sin)
  ///     y[i + width/2]   = f * (x[i + width/2] cos + x[i] sin)
  ///
  /// `inverse` turns backward by the same angles (times the same factor): the transpose, which is
  /// the gradient. Angles are taken in double. Scratch: sequence * width elements.
  package static func rotate(
    _ x: TensorView, shape: RotaryShape, frequencies: [Double], attentionFactor: Double,
    inverse: Bool, into y: TensorView
  ) {
    precondition(frequencies.count * 2 == shape.width, "a frequency for each pair of elements")
    if x.base != y.base { ElementwiseKernels.copy(x, into: y) }
    let table = RotaryTable(
      shape: shape, frequencies: frequencies, factor: attentionFactor, inverse: inverse)
    switch y.precision {
    case .single: rotate(Float.self, y, shape, table)
    case .double: rotate(Double.self, y, shape, table)
    }
  }

  private static func rotate<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ y: TensorView, _ shape: RotaryShape, _ table: RotaryTable
  ) {
    let half = shape.width / 2
    let rowSize = shape.heads * shape.width
    withScratch(type, count: shape.sequence * shape.width) { scratch in
      table.fill(scratch)
      for row in 0..<shape.batch * shape.sequence {
        let cosines = UnsafePointer(scratch + row % shape.sequence * shape.width)
        for head in 0..<shape.heads {
          let pair = y.values(type) + row * rowSize + head * shape.width
          turn(pair, pair + half, cosines, cosines + half, count: half)
        }
      }
    }
  }

  @inline(__always)
  private static func turn<Scalar: KernelFloat>(
    _ first: UnsafeMutablePointer<Scalar>, _ second: UnsafeMutablePointer<Scalar>,
    _ cosines: UnsafePointer<Scalar>, _ sines: UnsafePointer<Scalar>, count: Int
  ) {
    for index in 0..<count {
      let (left, right) = (first[index], second[index])
      first[index] = left * cosines[index] - right * sines[index]
      second[index] = right * cosines[index] + left * sines[index]
    }
  }
}

/// The cosines and sines of a call: [sequence, 2, width / 2], scaled by the attention factor.
private struct RotaryTable {
  var shape: RotaryShape
  var frequencies: [Double]
  var factor: Double
  var inverse: Bool

  func fill<Scalar: KernelFloat>(_ table: UnsafeMutablePointer<Scalar>) {
    let half = frequencies.count
    for row in 0..<shape.sequence {
      let position = Double(shape.positions[row])
      for (index, frequency) in frequencies.enumerated() {
        let angle = inverse ? -position * frequency : position * frequency
        table[row * shape.width + index] = Scalar(factor * Glibc.cos(angle))
        table[row * shape.width + half + index] = Scalar(factor * Glibc.sin(angle))
      }
    }
  }
}
