import PlanIR

/// Prices a launch, says whether it fits and how far it is from the best plan known, and finds what to
/// change.
package struct Audit {
  private let request: AuditRequest
  private var pricing: AuditPricing

  /// Answers `request`. Equal requests have equal answers.
  package static func run(_ request: AuditRequest) -> AuditAnswer {
    var audit = Audit(request)
    return audit.answer()
  }

  /// The plan that the launch runs alone; nil where it cannot be.
  package static func price(_ request: AuditRequest) -> RankedPlan? {
    try? AuditPricing(request).price(request.configuration)
  }

  private init(_ request: AuditRequest) {
    self.request = request
    pricing = AuditPricing(request)
  }

  /// Changes in a row that are looked for.
  private static let longestPath = 8

  private mutating func answer() -> AuditAnswer {
    var answer = AuditAnswer()
    let present: RankedPlan
    do throws(ConstraintViolation) {
      present = try pricing.price(request.configuration)
    } catch {
      answer.reasons = [error]
      return answer
    }
    answer.present = present
    answer.fits = pricing.fits(present)
    findFullestStage(present, &answer)
    let all = pricing.changes(from: request.configuration) + layoutChanges(present)
    answer.changes = bestOfEachKnob(all, than: present)
    answer.path = path(from: present, firstChanges: all)
    findOptimum(present, &answer)
    let advisor = AuditAdvisor(
      request: request, present: present, pricing: pricing, changes: pricing.sorted(all))
    answer.advice = advisor.advice()
    return answer
  }

  private func findFullestStage(_ present: RankedPlan, _ answer: inout AuditAnswer) {
    answer.stageCount = present.choices.stages.count
    guard answer.stageCount > 1,
      let explanation = try? Partitioner.explain(
        request.training, choices: present.choices, cluster: request.cluster,
        timings: request.timings)
    else { return }
    let totals = explanation.stages.map(\.memory.total)
    answer.fullestStage = totals.indices.max { totals[$0] < totals[$1] } ?? 0
  }

  /// Of each knob the best change, where it is better than the present.
  private func bestOfEachKnob(
    _ changes: [AuditChange], than present: RankedPlan
  ) -> [AuditChange] {
    var seen: Set<AuditKnob> = []
    return pricing.sorted(changes).filter {
      gains($0.plan, present) && seen.insert($0.knob).inserted
    }
  }

  /// Less than this share of a step is no gain.
  private static let leastGain = 0.001

  /// Whether a plan is better than another by enough to be worth a word.
  private func gains(_ plan: RankedPlan, _ other: RankedPlan) -> Bool {
    guard pricing.isBetter(plan, other) else { return false }
    guard pricing.fits(other) else {
      return plan.predicted.memory.total < other.predicted.memory.total
    }
    let (now, then) = (other.predicted.step.seconds, plan.predicted.step.seconds)
    return then <= now * (1 - Self.leastGain)
  }

  /// Steepest descent: the best change, then the best from there, while one helps.
  private mutating func path(
    from present: RankedPlan, firstChanges: [AuditChange]
  ) -> [AuditChange] {
    var path: [AuditChange] = []
    var current = present
    var changes = pricing.sorted(firstChanges)
    while path.count < Self.longestPath {
      guard let next = changes.first(where: { $0.configuration != nil }),
        let configuration = next.configuration, gains(next.plan, current)
      else { break }
      path.append(next)
      current = next.plan
      changes = pricing.changes(from: configuration)
    }
    return path
  }

  /// The best plan of every other layout with the launch's degrees; a framework may not have it.
  private func layoutChanges(_ present: RankedPlan) -> [AuditChange] {
    let choices = present.choices
    guard choices.tensorDegree > 1, !choices.holdsCopies, choices.degree("context") == 1,
      request.pins.layout == nil,
      choices.recompute == .none || choices.recompute == .full
    else { return [] }
    var pins = Pins()
    pins.tensor = choices.tensorDegree
    (pins.pipeline, pins.context) = (choices.degree("pipeline"), 1)
    pins.data = choices.degree("data")
    pins.microBatch = choices.microBatch
    pins.zero = choices.zero
    pins.recompute = choices.recompute
    if choices.stages.count > 1 {
      (pins.schedule, pins.interleave) = (choices.schedule, choices.interleave)
    }
    let cluster = request.cluster(overlappingAs: request.configuration)
    return search(pins, cluster, comparesLayouts: true).bestOfLayouts.filter {
      $0.choices.layout != choices.layout
    }.map { plan in
      AuditChange(
        knob: .layout, from: "layout \(choices.layout.rawValue)",
        to: "layout \(plan.choices.layout.rawValue)", configuration: nil, plan: plan, fits: true)
    }
  }

  private func search(
    _ pins: Pins, _ cluster: Cluster, comparesLayouts: Bool = false
  ) -> SearchAnswer {
    var asked = SearchRequest(
      training: request.training, cluster: cluster, devices: request.devices,
      memory: request.memory, pins: pins, timings: request.timings, keep: 1)
    asked.comparesLayouts = comparesLayouts
    return Search.run(asked)
  }

  /// The best of the launch, its changes, the path, and the search: never worse than the launch.
  private func findOptimum(_ present: RankedPlan, _ answer: inout AuditAnswer) {
    var candidates: [(RankedPlan, OptimumSource)] = [(present, .present)]
    candidates += answer.changes.map { ($0.plan, .change) }
    candidates += answer.path.map { ($0.plan, .path) }
    var cluster = request.cluster
    // The best plan may do what the launch does, or what the cluster's framework does.
    if request.configuration.overlapsGradients { cluster.device.operators.overlapsGradients = true }
    candidates += search(request.pins, cluster).plans.map { ($0, .search) }
    for (plan, source) in candidates where pricing.fits(plan) {
      if answer.optimum.map({ pricing.isBetter(plan, $0) }) ?? true {
        (answer.optimum, answer.optimumSource) = (plan, source)
      }
    }
  }
}
