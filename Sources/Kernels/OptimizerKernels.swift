import Glibc

/// The hyperparameters of one AdamW step, as torch.optim.AdamW names them.
package struct AdamWSettings: Sendable {
  package var learningRate, beta1, beta2, epsilon, weightDecay: Double

  /// Settings with torch's defaults.
  package init(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-8, weightDecay: Double = 1e-2
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }
}

/// Weight updates, in place.
package enum OptimizerKernels {
  /// weight -= learningRate * gradient.
  package static func sgd(weight: TensorView, gradient: TensorView, learningRate: Double) {
    precondition(weight.count == gradient.count, "a gradient for each weight")
    switch weight.precision {
    case .single: sgd(Float.self, weight, gradient, learningRate)
    case .double: sgd(Double.self, weight, gradient, learningRate)
    }
  }

  private static func sgd<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ weight: TensorView, _ gradient: TensorView, _ learningRate: Double
  ) {
    let (target, rate) = (weight.values(type), Scalar(learningRate))
    Loops.zip(target, gradient.values(type), into: target, count: weight.count) { $0 - rate * $1 }
  }

  /// One step of AdamW (Loshchilov, Hutter, ICLR 2019) as torch.optim.AdamW takes it; `step`
  /// counts from 1. The four tensors must not overlap.
  package static func adamw(
    weight: TensorView, gradient: TensorView, firstMoment: TensorView, secondMoment: TensorView,
    step: Int, settings: AdamWSettings
  ) {
    precondition(step > 0, "AdamW counts its steps from 1")
    precondition(
      gradient.count == weight.count && firstMoment.count == weight.count
        && secondMoment.count == weight.count, "a gradient and two moments for each weight")
    switch weight.precision {
    case .single: adamw(Float.self, weight, gradient, firstMoment, secondMoment, step, settings)
    case .double: adamw(Double.self, weight, gradient, firstMoment, secondMoment, step, settings)
    }
  }

  private static func adamw<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ weight: TensorView, _ gradient: TensorView, _ firstMoment: TensorView,
    _ secondMoment: TensorView, _ step: Int, _ settings: AdamWSettings
  ) {
    let rates = AdamWRates<Scalar>(settings, step: step)
    let (weights, gradients) = (weight.values(type), UnsafePointer(gradient.values(type)))
    let (means, squares) = (firstMoment.values(type), secondMoment.values(type))
    for index in 0..<weight.count {
      let slope = gradients[index]
      let mean = means[index] + (slope - means[index]) * rates.meanWeight
      let square = squares[index] * rates.squareKeep + slope * slope * rates.squareWeight
      let scale = square.squareRoot() / rates.squareCorrection + rates.epsilon
      means[index] = mean
      squares[index] = square
      weights[index] = weights[index] * rates.decay - rates.stepSize * (mean / scale)
    }
  }
}

/// One step's constants, computed in double as torch does and rounded once.
private struct AdamWRates<Scalar: KernelFloat> {
  var decay, meanWeight, squareKeep, squareWeight, stepSize, squareCorrection, epsilon: Scalar

  init(_ settings: AdamWSettings, step: Int) {
    let firstCorrection = 1 - Glibc.pow(settings.beta1, Double(step))
    let secondCorrection = 1 - Glibc.pow(settings.beta2, Double(step))
    decay = Scalar(1 - settings.learningRate * settings.weightDecay)
    meanWeight = Scalar(1 - settings.beta1)
    squareKeep = Scalar(settings.beta2)
    squareWeight = Scalar(1 - settings.beta2)
    stepSize = Scalar(settings.learningRate / firstCorrection)
    squareCorrection = Scalar(secondCorrection.squareRoot())
    epsilon = Scalar(settings.epsilon)
  }
}
