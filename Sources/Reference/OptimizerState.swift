internal import PlanIR

#if canImport(Glibc)
  internal import Glibc
#endif

/// The update rule of `torch.optim` with its defaults, and the moments it keeps of one parameter.
struct OptimizerState {
  private let optimizer: Optimizer
  private let learningRate: Double
  private var step = 0
  private var first: [Double] = []
  private var second: [Double] = []

  private static let betas = (0.9, 0.999)
  private static let epsilon = 1e-8
  private static let decay = 0.01

  /// Nothing seen yet of a parameter of `count` elements.
  init(_ optimizer: Optimizer, learningRate: Double, count: Int) {
    self.optimizer = optimizer
    self.learningRate = learningRate
    guard optimizer.momentCount > 0 else { return }
    first = [Double](repeating: 0, count: count)
    second = first
  }

  /// Takes one step along `gradient`.
  mutating func update(_ parameter: inout [Double], _ gradient: [Double]) {
    step += 1
    switch optimizer {
    case .sgd:
      for index in parameter.indices { parameter[index] -= learningRate * gradient[index] }
    case .adamw:
      updateWithMoments(&parameter, gradient)
    }
  }

  /// `torch.optim.AdamW`: decay first, decoupled; both moments corrected for their start at zero.
  private mutating func updateWithMoments(_ parameter: inout [Double], _ gradient: [Double]) {
    let (beta1, beta2) = Self.betas
    let size = learningRate / (1 - pow(beta1, Double(step)))
    let correction = (1 - pow(beta2, Double(step))).squareRoot()
    for index in parameter.indices {
      let slope = gradient[index]
      first[index] = beta1 * first[index] + (1 - beta1) * slope
      second[index] = beta2 * second[index] + (1 - beta2) * slope * slope
      let decayed = parameter[index] * (1 - learningRate * Self.decay)
      parameter[index] =
        decayed - size * first[index] / (second[index].squareRoot() / correction + Self.epsilon)
    }
  }
}
