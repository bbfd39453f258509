import PlanIR

/// A plan that is lowered once and priced on clusters that differ in their rates.
struct Repricing {
  private let lowering: Lowering
  private let cluster: Cluster
  private let timings: TimingTable
  /// On the cluster as it is: kernels priced, what is sent left open.
  private var pricing: Pricing

  init(
    _ training: TrainingGraph, choices: PlanChoices, cluster: Cluster, timings: TimingTable
  ) throws(ConstraintViolation) {
    lowering = try Lowering(training, choices)
    self.cluster = cluster
    self.timings = timings
    let cost = ClusterCost(
      cluster: cluster, precision: training.workload.precision, mesh: choices.mesh,
      placement: choices.placement, timings: timings)
    pricing = Pricing(lowering, cluster: cluster, cost: cost)
    if pricing.order.stages > 1 { pricing.trace = StageTrace(pricing.order) }
  }

  /// The time of a step as ``Partitioner/predict(_:choices:cluster:timings:)`` has it, where `rate` has
  /// another value.
  func step(_ rate: ClusterRate, at value: Double) -> Picoseconds {
    let choices = lowering.context.choices
    let other = rate.setting(value, on: cluster)
    let cost = ClusterCost(
      cluster: other, precision: lowering.training.workload.precision, mesh: choices.mesh,
      placement: choices.placement, timings: timings)
    guard rate.isOfDevice else { return pricing.step(cost) }
    var pricing = Pricing(lowering, cluster: other, cost: cost)
    pricing.trace = self.pricing.trace
    return pricing.step(cost)
  }
}
