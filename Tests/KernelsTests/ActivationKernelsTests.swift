import Foundation
import Kernels
import PlanIR
import Testing

@Suite struct ActivationKernelsTests {
  /// Values from far left to far right, and around zero.
  static func samples(_ dtype: DType) -> [Double] {
    let grid =
      (-12_000...12_000).map { Double($0) / 1000 } + [1e-4, -1e-4, 1e-20, 40, -40, 300, -300]
    return grid.map { dtype == .float32 ? Double(Float($0)) : $0 }
  }

  /// The largest error in units of the result's spacing, for inputs of moderate size.
  static func worstUnits(_ actual: [Double], _ x: [Double], _ function: (Double) -> Double)
    -> Double
  {
    zip(actual, x).reduce(0) { worst, pair in
      let expected = function(pair.1)
      guard abs(expected) > Double(Float.leastNormalMagnitude) else { return worst }
      return max(worst, abs(pair.0 - expected) / Double(Float(expected).ulp))
    }
  }

  @Test(arguments: ActivationKind.allCases)
  func `float activations are within units in the last place near zero and to the right`(
    _ kind: ActivationKind
  ) {
    let x = Self.samples(.float32).filter { $0 > -2 && $0 < 300 }
    let y = Tensor(count: x.count, .float32)
    ActivationKernels.forward(kind, Tensor(x, .float32).view, into: y.view)
    let worst = Self.worstUnits(y.values, x) { Naive.activation(kind, $0) }
    #expect(worst < 7, "\(kind): \(worst) units")
  }

  @Test(arguments: ActivationKind.allCases, precisions)
  func `activations agree with their formulas and keep the tails`(
    _ kind: ActivationKind, _ dtype: DType
  ) {
    let (x, draw) = (Self.samples(dtype), Draw(seed: 0, dtype: dtype))
    let y = Tensor(x, dtype)
    ActivationKernels.forward(kind, y.view, into: y.view)
    expectClose(y.values, x.map { Naive.activation(kind, $0) }, draw, single: 3e-7, double: 1e-15)
    #expect(y.values.allSatisfy { $0.isFinite })
  }

  @Test(arguments: ActivationKind.allCases, precisions)
  func `gradients agree with central differences, plain and gated`(
    _ kind: ActivationKind, _ dtype: DType
  ) {
    let draw = Draw(seed: 31, dtype: dtype)
    let x = Self.samples(dtype).filter { abs($0) > 1e-3 }
    let (dy, up) = (draw.numbers(x.count, "dy"), draw.numbers(x.count, "up"))
    let slopes = x.map { value in
      let h = 1e-5
      return (Naive.activation(kind, value + h) - Naive.activation(kind, value - h)) / (2 * h)
    }
    let dx = Tensor(dy, dtype)
    let input = Tensor(x, dtype)
    ActivationKernels.gradient(kind, dy: dx.view, x: input.view, into: dx.view)
    expectClose(dx.values, zip(dy, slopes).map(*), draw, single: 1e-6, double: 2e-9)
    let (dGate, dUp) = (draw.empty(x.count), draw.empty(x.count))
    ActivationKernels.gatedGradient(
      kind, dy: Tensor(dy, dtype).view, gate: input.view, up: Tensor(up, dtype).view,
      into: dGate.view, dUp.view)
    let expectedGate = x.indices.map { dy[$0] * up[$0] * slopes[$0] }
    expectClose(dGate.values, expectedGate, draw, single: 1e-6, double: 2e-9)
    let value = x.map { Naive.activation(kind, $0) }
    expectClose(dUp.values, zip(dy, value).map(*), draw, single: 1e-6, double: 1e-14)
    ActivationKernels.gatedForward(
      kind, gate: input.view, up: Tensor(up, dtype).view, into: dUp.view)
    expectClose(dUp.values, zip(up, value).map(*), draw, single: 1e-6, double: 1e-14)
  }

  @Test func `the float exponential is within a unit in the last place`() {
    // A softmax of [0, x] before normalising is not exposed; the sum of one column is exp(x).
    let x = stride(from: -87.0, to: 88.5, by: 0.00731).map { Double(Float($0)) }
    let (logits, sum) = (Tensor(x, .float32), Tensor(count: x.count, .float32))
    CrossEntropyKernels.exponentialSum(
      logits.view, maximum: Tensor(x.map { _ in 0 }, .float32).view,
      shard: VocabularyShard(
        rows: x.count, localVocabulary: 1, vocabularyOffset: 0, validVocabulary: 1),
      into: sum.view)
    let worst = Self.worstUnits(sum.values, x) { exp($0) }
    #expect(worst < 1, "\(worst) units")
  }
}
