package import PlanIR

/// Turns choices into programs and predictions.
package enum Partitioner {
  /// The prediction for `choices`, or the constraint they violate.
  package static func predict(
    _ training: TrainingGraph, choices: PlanChoices, cluster: Cluster,
    timings: TimingTable = TimingTable()
  ) throws(ConstraintViolation) -> Prediction {
    var traces = TraceTable()
    return try predict(
      training, choices: choices, cluster: cluster, timings: timings, &traces)
  }

  /// The same of one of several plans, whose orders of micro-batches may be alike.
  static func predict(
    _ training: TrainingGraph, choices: PlanChoices, cluster: Cluster, timings: TimingTable,
    _ traces: inout TraceTable
  ) throws(ConstraintViolation) -> Prediction {
    let lowering = try Lowering(training, choices)
    let cost = ClusterCost(
      cluster: cluster, precision: training.workload.precision, mesh: choices.mesh,
      placement: choices.placement, timings: timings)
    var pricing = Pricing(lowering, cluster: cluster, cost: cost)
    pricing.trace = traces.of(pricing.order)
    let prediction = pricing.prediction(cost)
    if prediction.step > .longestStep { throw .tooLong }
    return prediction
  }

  /// The program of a plan, or the constraint its choices violate.
  package static func program(
    of training: TrainingGraph, choices: PlanChoices
  ) throws(ConstraintViolation) -> Program {
    try Lowering.program(of: training, choices: choices)
  }
}
