package import PlanIR

/// A model that runs unsharded in float64: the independent answer that sharded runs are compared to.
///
/// It interprets the model's own operations, differentiates by a tape with its own backward rules
/// and updates by its own optimizers; it shares no lowering, gradient graph, collective or kernel
/// with the planner or the executor.
package struct ReferenceModel: Sendable {
  private let model: Model
  private let workload: Workload
  private let seed: UInt64
  /// The values that runs start from, in each parameter's own dimension order.
  package var weights: [ParameterInstance: [Double]]
  private let product = MatrixProduct()

  /// A model that starts from `weights`, one entry for each of ``instances(of:)`` in the parameter's
  /// own dimension order, and draws dropout masks from `seed`.
  package init(
    model: Model, workload: Workload, seed: UInt64, weights: [ParameterInstance: [Double]]
  ) throws(ReferenceError) {
    self.model = model
    self.workload = workload
    self.seed = seed
    self.weights = weights
    _ = try ParameterSet(of: model, weights: weights)
  }

  /// The trained tensors of `model` in the order of its chain, a borrowed one only where it is owned.
  package static func instances(
    of model: Model
  ) -> [(instance: ParameterInstance, parameter: Parameter, shape: [Int])] {
    model.segments.flatMap { segment in
      (0..<segment.count).flatMap { repetition in
        segment.blocks.flatMap { block in
          block.parameters.map { parameter in
            let instance = ParameterInstance(
              block: block.name, parameter: parameter.name,
              layer: segment.count > 1 ? repetition : nil)
            return (instance, parameter, model.sizes.shape(of: parameter.dimensions))
          }
        }
      }
    }
  }

  /// Takes `steps` updates on the one batch `input`, every step with the same dropout masks.
  package func run(
    _ input: ReferenceInput, steps: Int = 1, learningRate: Double = 1e-3
  ) throws(ReferenceError) -> ReferenceRun {
    try check(input, steps)
    var parameters = try ParameterSet(of: model, weights: weights)
    var states = parameters.values.map {
      OptimizerState(workload.optimizer, learningRate: learningRate, count: $0.count)
    }
    var run = ReferenceRun()
    for step in 0..<steps {
      var outcome = try differentiate(input, parameters)
      run.losses.append(outcome.loss)
      for place in states.indices {
        states[place].update(&parameters.values[place], outcome.gradients[place])
      }
      guard step == 0 else { continue }
      run.logits = outcome.logits.take()
      run.inputGradient = outcome.inputGradient.take()
      run.gradients = parameters.keyed(outcome.gradients)
    }
    run.parameters = parameters.keyed(parameters.values)
    return run
  }

  /// The loss on `input` with the weights as given, without gradients.
  package func loss(_ input: ReferenceInput) throws(ReferenceError) -> Double {
    try check(input, 1)
    var pass = try makePass(input)
    return try pass.run(ParameterSet(of: model, weights: weights)).loss
  }

  private func differentiate(
    _ input: ReferenceInput, _ parameters: ParameterSet
  ) throws(ReferenceError) -> StepOutcome {
    var pass = try makePass(input)
    return try pass.differentiate(parameters)
  }

  private func makePass(_ input: ReferenceInput) throws(ReferenceError) -> ForwardPass {
    ForwardPass(model: model, workload: workload, seed: seed, input: input, product: product)
  }

  private func check(_ input: ReferenceInput, _ steps: Int) throws(ReferenceError) {
    let vocabulary = model.sizes[.vocabulary]
    if steps < 1 {
      throw ReferenceError(place: "steps", expected: "at least 1", found: "\(steps)")
    }
    if model.has(.embedding) {
      try check(input.tokens, "tokens", "ids in 0..<\(vocabulary)") {
        $0 >= 0 && $0 < vocabulary
      }
    } else {
      try check(input.features, "features")
    }
    guard model.has(.head) else { return try check(input.cotangent, "cotangent") }
    let ignored = ReferenceInput.ignoredLabel
    try check(input.labels, "labels", "ids in 0..<\(vocabulary) or \(ignored)") {
      $0 == ignored || $0 >= 0 && $0 < vocabulary
    }
  }

  private func check(
    _ ids: [Int64], _ place: String, _ expected: String, isValid: (Int64) -> Bool
  ) throws(ReferenceError) {
    guard ids.count == workload.tokens else {
      throw ReferenceError(
        place: place, expected: "[\(workload.globalBatch), \(workload.sequence)]",
        found: "\(ids.count) elements")
    }
    guard let wrong = ids.first(where: { !isValid($0) }) else { return }
    throw ReferenceError(place: place, expected: expected, found: "\(wrong)")
  }

  private func check(_ values: [Double]?, _ place: String) throws(ReferenceError) {
    let shape = [workload.globalBatch, workload.sequence, model.sizes[.hidden]]
    guard values?.count != shape.reduce(1, *) else { return }
    throw ReferenceError(
      place: place, expected: "\(shape)", found: values.map { "\($0.count) elements" } ?? "none")
  }
}
