import Glibc

extension Naive {
  /// One weight's state under AdamW.
  package struct AdamWState {
    package var weight, firstMoment, secondMoment: Double

    /// A weight with no history.
    package init(weight: Double) {
      self.weight = weight
      firstMoment = 0
      secondMoment = 0
    }

    /// The update as torch.optim.AdamW's documentation states it.
    package mutating func step(_ step: Int, gradient: Double, settings: AdamWSettings) {
      weight -= settings.learningRate * settings.weightDecay * weight
      firstMoment = settings.beta1 * firstMoment + (1 - settings.beta1) * gradient
      secondMoment = settings.beta2 * secondMoment + (1 - settings.beta2) * gradient * gradient
      let mean = firstMoment / (1 - pow(settings.beta1, Double(step)))
      let square = secondMoment / (1 - pow(settings.beta2, Double(step)))
      weight -= settings.learningRate * mean / (square.squareRoot() + settings.epsilon)
    }
  }
}
