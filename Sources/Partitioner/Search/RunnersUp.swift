import PlanIR

/// Finds the runner-up of each kind: for each thing that a plan decides the best plan that decides it
/// otherwise and is free in all else, by searches of their own.
///
/// - layout: a search without the plan's layout, in mixtures too. A layout under which the best plan takes
///   and holds the same is the plan by another name (3-D along one axis is Megatron): it is left out, too.
///   Beside a mixture it is the best plan of one layout.
/// - stages, context, replicas, micro-batch, schedule (of plans with stages), sharding over data: a search
///   without the plan's value.
/// - recomputation: searches in which no layer is computed again, or each is.
/// - sequence parallelism: a search with and without it on the plan's tensor mesh.
package struct RunnersUp {
  private let plan: RankedPlan
  private let request: SearchRequest

  /// The runners-up of `plan` in `decisions`, where there are other values at all; `looking` is told what is
  /// looked for next. Of `request` the pins and the number of plans do not count.
  package static func of(
    _ plan: RankedPlan, _ request: SearchRequest,
    in decisions: [PlanDecision] = PlanDecision.allCases,
    looking: (PlanDecision) -> Void = { _ in }
  ) -> [RunnerUp] {
    let finder = RunnersUp(plan, request)
    return PlanDecision.allCases.filter(decisions.contains).compactMap { decision in
      looking(decision)
      return finder.runnerUp(decision)
    }
  }

  private init(_ plan: RankedPlan, _ request: SearchRequest) {
    self.plan = plan
    self.request = request
  }

  private var choices: PlanChoices { plan.choices }
  private var stages: Int { choices.degree("pipeline") }

  private func runnerUp(_ decision: PlanDecision) -> RunnerUp? {
    guard decision != .layout || choices.layout == .mixed else { return otherLayout() }
    return best(decision, searches(decision))
  }

  // MARK: - What is searched

  private func searches(_ decision: PlanDecision) -> [Pins] {
    switch decision {
    case .layout: LayoutCatalog.all.map { layout in pinning { $0.layout = layout.name } }
    case .pipeline: excluding { $0.pipeline = stages }
    case .context: excluding { $0.context = choices.degree("context") }
    case .data: excluding { $0.data = choices.degree("data") }
    case .microBatch:
      request.training.workload.globalBatch > 1
        ? [without { $0.microBatch = choices.microBatch }] : []
    case .schedule: stages > 1 ? excluding { $0.schedule = choices.schedule } : []
    case .recompute:
      otherRecomputations.map { recompute in pinning { $0.recompute = recompute } }
    case .zero: choices.degree("data") > 1 ? excluding { $0.zero = choices.zero } : []
    case .sequenceParallel: otherSequenceParallelism
    }
  }

  /// A search without one of the values that devices decide; none of one device.
  private func excluding(_ exclude: (inout Exclusions) -> Void) -> [Pins] {
    request.devices > 1 ? [without(exclude)] : []
  }

  private func without(_ exclude: (inout Exclusions) -> Void) -> Pins {
    pinning { exclude(&$0.exclusions) }
  }

  private func pinning(_ pin: (inout Pins) -> Void) -> Pins {
    var pins = Pins()
    pin(&pins)
    return pins
  }

  private var otherRecomputations: [Recomputation] {
    let isFused = request.training.workload.attention == .fused
    let kinds: [Recomputation] = isFused ? [.none, .full] : [.none, .selective, .full]
    return kinds.filter { $0 != choices.recompute }
  }

  private var otherSequenceParallelism: [Pins] {
    guard let layout = try? LayoutCatalog.layout(choices.layout), layout.hasSequenceParallelism,
      choices.tensorDegree > 1
    else { return [] }
    return [
      pinning {
        $0.layout = choices.layout
        $0.mesh = layout.axisNames.map(choices.degree)
        $0.sequenceParallel = !choices.sequenceParallel
      }
    ]
  }

  // MARK: - The best of them

  private func otherLayout() -> RunnerUp? {
    var layouts: Set<LayoutName> = [choices.layout]
    while let found = best(.layout, excluding { $0.layouts = layouts }) {
      guard isAlike(found.plan), layouts.insert(found.plan.choices.layout).inserted,
        found.plan.choices.layout != .mixed
      else { return found }
    }
    return nil
  }

  /// Whether another plan takes and holds the same.
  private func isAlike(_ other: RankedPlan) -> Bool {
    let (own, theirs) = (plan.predicted, other.predicted)
    return own.step == theirs.step && own.breakdown == theirs.breakdown
      && own.memory.total == theirs.memory.total
  }

  private func best(_ decision: PlanDecision, _ searches: [Pins]) -> RunnerUp? {
    var fitting: [RankedPlan] = []
    var tooLarge: [RankedPlan] = []
    for pins in searches {
      let answer = search(pins)
      fitting += answer.plans.prefix(1)
      tooLarge += [answer.nearest].compactMap(\.self)
    }
    if let plan = first(fitting, .time) {
      return RunnerUp(decision: decision, plan: plan, fits: true)
    }
    return first(tooLarge, .memory).map { RunnerUp(decision: decision, plan: $0, fits: false) }
  }

  private func first(_ plans: [RankedPlan], _ objective: Objective) -> RankedPlan? {
    let order = PlanOrder(objective)
    return plans.min { order.precedes($0.entry, $1.entry) }
  }

  private func search(_ pins: Pins) -> SearchAnswer {
    var asked = request
    (asked.pins, asked.objective, asked.keep) = (pins, .time, 1)
    (asked.keepsFront, asked.exhaustive, asked.comparesLayouts) = (false, false, false)
    return Search.run(asked)
  }
}
