import Kernels
import PlanIR
import Testing

@Suite struct DropoutKernelsTests {
  static let generator = CounterGenerator(seed: 61, name: "dropout")

  func forward(_ x: [Double], _ index: DropoutIndex, _ dtype: DType) -> ([Double], [Double]) {
    let (values, mask) = (Tensor(x, dtype), Tensor(count: x.count, .uint8))
    DropoutKernels.forward(
      values.view, probability: 0.25, generator: Self.generator, index: index, into: values.view,
      mask: mask.view)
    let bytes = mask.values
    let slopes = Tensor(x, dtype)
    DropoutKernels.gradient(slopes.view, mask: mask.view, probability: 0.25, into: slopes.view)
    #expect(slopes.values == values.values)
    return (values.values, bytes)
  }

  @Test(arguments: precisions)
  func `a shard drops what the whole drops`(_ dtype: DType) {
    let draw = Draw(seed: 62, dtype: dtype)
    let shape = [6, 4, 10, 9]
    let x = draw.numbers(6 * 4 * 90, "x")
    let whole = forward(
      x,
      DropoutIndex(
        localShape: shape, globalShape: shape, offsets: [0, 0, 0, 0],
        batchIndices: Array(0..<6)), dtype)
    let kept = whole.1.reduce(0, +) / Double(x.count)
    #expect(abs(kept - 0.75) < 0.03)
    let (batches, offsets, local) = ([4, 1], [0, 2, 5, 3], [2, 2, 5, 6])
    let places = (0..<120).map { index in
      let (b, h, q, k) = (index / 60, index / 30 % 2, index / 6 % 5, index % 6)
      return ((batches[b] * 4 + h + 2) * 10 + q + 5) * 9 + k + 3
    }
    let part = forward(
      places.map { x[$0] },
      DropoutIndex(
        localShape: local, globalShape: shape, offsets: offsets, batchIndices: batches), dtype)
    #expect(part.0 == places.map { whole.0[$0] })
    #expect(part.1 == places.map { whole.1[$0] })
    for (place, byte) in zip(places, part.1) {
      #expect((Self.generator.uniform(at: UInt64(place)) >= 0.25) == (byte == 1))
    }
  }
}
