import Kernels
import PlanIR
import Testing

@Suite struct OptimizerKernelsTests {
  @Test(arguments: precisions)
  func `AdamW follows the published update for five steps`(_ dtype: DType) {
    let draw = Draw(seed: 81, dtype: dtype)
    let settings = AdamWSettings(
      learningRate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1)
    let start = draw.numbers(37, "weight")
    var states = start.map { Naive.AdamWState(weight: $0) }
    let zeros = [Double](repeating: 0, count: 37)
    let (weight, first, second) = (Tensor(start, dtype), Tensor(zeros, dtype), Tensor(zeros, dtype))
    for step in 1...5 {
      let gradient = draw.numbers(37, "gradient \(step)")
      OptimizerKernels.adamw(
        weight: weight.view, gradient: Tensor(gradient, dtype).view, firstMoment: first.view,
        secondMoment: second.view, step: step, settings: settings)
      for index in states.indices {
        states[index].step(step, gradient: gradient[index], settings: settings)
      }
    }
    expectClose(weight.values, states.map(\.weight), draw, single: 1e-6)
    expectClose(first.values, states.map(\.firstMoment), draw, single: 1e-6)
    expectClose(second.values, states.map(\.secondMoment), draw, single: 1e-6)
  }

  @Test(arguments: precisions)
  func `a plain step goes down the gradient`(_ dtype: DType) {
    let draw = Draw(seed: 82, dtype: dtype)
    let (start, gradient) = (draw.numbers(19, "weight"), draw.numbers(19, "gradient"))
    let weight = Tensor(start, dtype)
    OptimizerKernels.sgd(
      weight: weight.view, gradient: Tensor(gradient, dtype).view, learningRate: 0.1)
    expectClose(weight.values, zip(start, gradient).map { $0 - 0.1 * $1 }, draw, single: 2e-7)
  }
}
