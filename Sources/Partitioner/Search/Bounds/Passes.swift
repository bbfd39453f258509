import PlanIR

/// What passes take, in picoseconds: floating-point numbers, for these are bounds and must not overflow.
struct Passes {
  var forward, inputGradient, weightGradient: Double

  init(_ forward: Double, _ inputGradient: Double, _ weightGradient: Double) {
    (self.forward, self.inputGradient) = (forward, inputGradient)
    self.weightGradient = weightGradient
  }

  init(_ passes: PassBound) {
    self.init(
      Double(passes.forward.count), Double(passes.inputGradient.count),
      Double(passes.weightGradient.count))
  }

  var backward: Double { inputGradient + weightGradient }
  var all: Double { forward + backward }

  static func + (left: Passes, right: Passes) -> Passes {
    Passes(
      left.forward + right.forward, left.inputGradient + right.inputGradient,
      left.weightGradient + right.weightGradient)
  }

  static func * (left: Passes, right: Double) -> Passes {
    Passes(left.forward * right, left.inputGradient * right, left.weightGradient * right)
  }
}
