import Foundation
import Kernels
import PlanIR
import Testing

@Suite struct RotaryKernelsTests {
  @Test(arguments: [(2, 3, 1, 2), (1, 17, 3, 10), (2, 5, 4, 64)], [false, true])
  func `rotations agree with the definition, in place too`(
    _ extents: (Int, Int, Int, Int), _ inverse: Bool
  ) {
    for dtype in precisions { expectTurned(extents, inverse, Draw(seed: 41, dtype: dtype)) }
  }

  func expectTurned(_ extents: (Int, Int, Int, Int), _ inverse: Bool, _ draw: Draw) {
    let dtype = draw.dtype
    let (batch, sequence, heads, width) = extents
    let shape = RotaryShape(
      batch: batch, heads: heads, width: width,
      positions: (0..<sequence).map { $0 < 3 ? 1000 + $0 : 2000 - $0 })
    let frequencies = (0..<width / 2).map { pow(10000, -2 * Double($0) / Double(width)) }
    let x = draw.numbers(batch * sequence * heads * width, "x")
    let expected = Naive.rotate(
      x, shape: shape, frequencies: frequencies, attentionFactor: 1.25, inverse: inverse)
    let (input, output) = (Tensor(x, dtype), draw.empty(x.count))
    for target in [output, input] {
      RotaryKernels.rotate(
        input.view, shape: shape, frequencies: frequencies, attentionFactor: 1.25,
        inverse: inverse, into: target.view)
      expectClose(target.values, expected, draw, single: 1e-6)
    }
  }

  @Test func `the inverse is the transpose`() {
    let draw = Draw(seed: 42, dtype: .float64)
    let shape = RotaryShape(
      batch: 1, heads: 2, width: 8, positions: [3, 4, 5, 16, 17, 18])
    let (x, y) = (draw.numbers(96, "x"), draw.numbers(96, "y"))
    func turned(_ values: [Double], inverse: Bool) -> [Double] {
      let tensor = Tensor(values, .float64)
      RotaryKernels.rotate(
        tensor.view, shape: shape, frequencies: [1, 0.5, 0.25, 0.125], attentionFactor: 0.5,
        inverse: inverse, into: tensor.view)
      return tensor.values
    }
    let difference = inner(turned(x, inverse: false), y) - inner(x, turned(y, inverse: true))
    #expect(abs(difference) < 1e-13)
  }
}
