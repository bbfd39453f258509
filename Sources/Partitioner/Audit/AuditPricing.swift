import PlanIR

/// Prices launches, each once, and orders them.
struct AuditPricing {
  let request: AuditRequest
  private var known: [LaunchConfiguration: RankedPlan?] = [:]

  init(_ request: AuditRequest) { self.request = request }

  /// The plan of a launch, nil where it cannot be.
  mutating func plan(of configuration: LaunchConfiguration) -> RankedPlan? {
    if let found = known[configuration] { return found }
    let plan = try? price(configuration)
    known[configuration] = .some(plan)
    return plan
  }

  /// The plan of a launch, or the constraint that it violates.
  func price(_ configuration: LaunchConfiguration) throws(ConstraintViolation) -> RankedPlan {
    let cluster = request.cluster(overlappingAs: configuration)
    let launch = LaunchPlan(
      configuration: configuration, training: request.training, cluster: cluster,
      devices: request.devices, launchedPerNode: request.launchedPerNode)
    let choices = try launch.choices()
    let predicted = try Partitioner.predict(
      request.training, choices: choices, cluster: cluster, timings: request.timings)
    return RankedPlan(choices: choices, predicted: predicted)
  }

  func fits(_ plan: RankedPlan) -> Bool {
    request.limit.map { plan.predicted.memory.total <= $0 } ?? true
  }

  /// Whether one plan is better than another: it fits and the other does not, or both do and it is
  /// faster, or neither does and it needs less.
  func isBetter(_ plan: RankedPlan, _ other: RankedPlan) -> Bool {
    let (fit, otherFits) = (fits(plan), fits(other))
    if fit != otherFits { return fit }
    let (time, memory) = (plan.predicted.step.count, plan.predicted.memory.total.count)
    let (otherTime, otherMemory) = (
      other.predicted.step.count, other.predicted.memory.total.count
    )
    return fit
      ? (time, memory) < (otherTime, otherMemory) : (memory, time) < (otherMemory, otherTime)
  }

  /// All changes of one thing from `base`, best first, alike ones in the order in which they are tried.
  mutating func changes(from base: LaunchConfiguration) -> [AuditChange] {
    let variants = AuditVariants(
      base: base, training: request.training, devices: request.devices)
    var found: [AuditChange] = []
    for variant in variants.all() {
      guard let plan = plan(of: variant.configuration) else { continue }
      found.append(
        AuditChange(
          knob: variant.knob, from: variant.from, to: variant.to,
          configuration: variant.configuration, plan: plan, fits: fits(plan)))
    }
    return sorted(found)
  }

  /// `changes`, best first; of equal ones the first stays before.
  func sorted(_ changes: [AuditChange]) -> [AuditChange] {
    changes.enumerated().sorted { left, right in
      if isBetter(left.element.plan, right.element.plan) { return true }
      if isBetter(right.element.plan, left.element.plan) { return false }
      return left.offset < right.offset
    }.map(\.element)
  }
}

extension AuditRequest {
  /// Its cluster, whose framework overlaps what `configuration` says.
  func cluster(overlappingAs configuration: LaunchConfiguration) -> Cluster {
    var cluster = cluster
    cluster.device.operators.overlapsGradients = configuration.overlapsGradients
    return cluster
  }
}
