package import PlanIR

/// A plan's choices with what they cost.
package struct RankedPlan: Sendable {
  package var choices: PlanChoices
  package var predicted: Prediction

  package init(choices: PlanChoices, predicted: Prediction) {
    self.choices = choices
    self.predicted = predicted
  }
}

/// What a search found.
package struct SearchAnswer: Sendable {
  /// The plans that fit, best first, as many as were asked for.
  package var plans: [RankedPlan] = []
  /// The plans that no other beats in time and memory both, fastest first; where asked for.
  package var front: [RankedPlan] = []
  /// The best plan of each layout that has one, fastest first.
  package var bestOfLayouts: [RankedPlan] = []
  /// Why there is none, or what else stands in the way.
  package var reasons: [ConstraintViolation] = []
  /// Where nothing fits, the plan that needs least memory.
  package var nearest: RankedPlan?
  package var space = Space()
  /// Plans whose whole prediction is not what their parts added up to, in words: a bug where not
  /// empty.
  package var mispriced: [String] = []
  /// What became of every candidate; where asked for.
  package var certificate: Certificate?
  /// Whether it was given up, see ``SearchRequest/probe``.
  var gaveUp = false
  /// Candidates that need more memory than the limit.
  package var overMemory = 0
  /// Candidates refused by each constraint.
  package var refusals: [String: Int] = [:]

  /// Nothing found.
  package init() {}

  /// The answer to what cannot be searched for.
  package init(refusing reason: ConstraintViolation) { reasons = [reason] }

  /// How many candidates there were and what became of them.
  package struct Space: Hashable, Sendable {
    package var evaluated = 0
    package var pruned = 0
    package var infeasible = 0

    /// All of them.
    package var candidates: Int { evaluated + pruned + infeasible }
  }
}

/// Finds the cheapest plan: candidates that can be lowered and may be the best are priced, those that
/// do not fit are set aside, the rest ordered.
package struct Search {
  let request: SearchRequest

  /// Answers `request`. Equal requests have equal answers.
  package static func run(_ request: SearchRequest) -> SearchAnswer {
    Search(request: request).answer()
  }

  private init(request: SearchRequest) {
    var request = request
    // What is looked at by time finds the front.
    if request.keepsFront { request.objective = .time }
    self.request = request
  }

  private func answer() -> SearchAnswer {
    var space = CandidateSpace(request)
    let splits = space.splits()
    var answer = SearchAnswer()
    var traces = TraceTable()
    let ranking = ranking(space, splits, mixtures: true, &answer.certificate, &traces)
    answer.plans = plans(ranking.best, &answer.mispriced, &traces)
    answer.front = plans(ranking.front, &answer.mispriced, &traces)
    answer.space = ranking.space
    answer.overMemory = ranking.overMemory
    answer.refusals = ranking.refusals
    if request.comparesLayouts { answer.bestOfLayouts = bestOfLayouts(answer) }
    answer.gaveUp = ranking.gaveUp
    guard answer.plans.isEmpty, request.asksWhy else { return answer }
    var violations = space.violations + ranking.violations
    if ranking.overMemory > 0 {
      let (plan, others) = leastMemory(&answer.mispriced)
      answer.nearest = plan
      // What has no room was not asked what else stands in its way.
      if plan == nil { violations += others }
    }
    if violations.isEmpty && answer.nearest == nil { violations = [space.nothingDivides()] }
    answer.reasons = reasons(violations, answer.nearest)
    return answer
  }

  private func ranking(
    _ space: CandidateSpace, _ splits: [DeviceSplit], mixtures: Bool,
    _ certificate: inout Certificate?, _ traces: inout TraceTable
  ) -> Ranking {
    if request.training.isAnnotated {
      var search = AnnotatedSearch(request, space)
      search.run(splits)
      return search.ranking
    }
    var search = PlanSearch(request, space, request.pins.layout == .mixed ? [] : splits)
    search.run()
    var ranking = search.ranking
    (certificate, traces) = (search.certificate, search.traces)
    if mixtures && request.probe == nil && MixturePass.isOpen(request) {
      let points = search.wholePoints()
      var pass = MixturePass(request, space, search.chains)
      pass.run(splits, points, &ranking, &certificate)
    }
    return ranking
  }

  /// The best plan of each layout that has one, best first; a mixture only where it is the best of all.
  private func bestOfLayouts(_ answer: SearchAnswer) -> [RankedPlan] {
    guard let best = answer.plans.first else { return [] }
    var found = [best]
    for layout in LayoutCatalog.all.map(\.name)
    where layout != best.choices.layout && request.pins.layout ?? layout == layout {
      var other = request
      (other.pins.layout, other.keep, other.keepsFront) = (layout, 1, false)
      (other.comparesLayouts, other.certifies) = (false, false)
      found += Search.run(other).plans.prefix(1).filter { $0.choices.layout == layout }
    }
    let order = PlanOrder(request.objective)
    return found.sorted { order.precedes($0.entry, $1.entry) }
  }

  /// The plan that needs least memory, whatever the limit, where mixtures are pinned of those of one layout; what stands
  /// in the way of others.
  private func leastMemory(
    _ mispriced: inout [String]
  ) -> (plan: RankedPlan?, violations: [ConstraintViolation]) {
    var other = request
    (other.objective, other.memory, other.keep) = (.memory, .unlimited, 1)
    (other.keepsFront, other.exhaustive, other.certifies) = (false, false, false)
    if request.pins.layout == .mixed {
      (other.pins.layout, other.pins.pipeline, other.pins.context) = (nil, 1, 1)
      other.pins.recompute = Recomputation.none
    }
    var space = CandidateSpace(other)
    let splits = space.splits()
    var certificate: Certificate?
    var traces = TraceTable()
    let ranking = Search(request: other).ranking(
      space, splits, mixtures: request.pins.layout != .mixed, &certificate, &traces)
    return (plans(ranking.best, &mispriced, &traces).first, space.violations + ranking.violations)
  }

  /// Each entry's whole prediction, by the path that reads a plan file; what does not agree with its
  /// entry goes to `mispriced`. `traces` are those that are known.
  private func plans(
    _ entries: [Ranking.Entry], _ mispriced: inout [String], _ traces: inout TraceTable
  ) -> [RankedPlan] {
    var found: [RankedPlan] = []
    for entry in entries {
      do throws(ConstraintViolation) {
        let predicted = try Partitioner.predict(
          request.training, choices: entry.choices, cluster: request.cluster,
          timings: request.timings, &traces)
        found.append(RankedPlan(choices: entry.choices, predicted: predicted))
        if predicted.step != entry.step || predicted.memory.total != entry.memory {
          mispriced.append(entry.choices.canonicalText)
        }
      } catch {
        mispriced.append("\(entry.choices.canonicalText): \(error)")
      }
    }
    return found
  }

  private func reasons(
    _ violations: [ConstraintViolation], _ nearest: RankedPlan?
  ) -> [ConstraintViolation] {
    var reasons = DistinctList<ConstraintViolation>()
    if let limit = request.limit, let nearest {
      reasons.add(memoryReason(nearest, limit))
      reasons.add(NearestFit(request).reasons(needed: nearest.predicted.memory.total))
    }
    let others = violations.filter { $0.indivisible == nil }
    // What is nearest divides: memory stands in its way.
    reasons.add(oneOfEach(nearest == nil ? others + violations : others))
    guard nearest == nil, !violations.contains(where: { $0.isUnbuilt || $0 == .tooLong }) else {
      return reasons.all
    }
    // Each was searched for, with all pins: a constraint alone may not be all that stands in the way.
    var sizes = NearestSizes(request)
    return sizes.reasons() + reasons.all
  }

  /// The first violation of each constraint: meshes violate one in many ways.
  private func oneOfEach(_ violations: [ConstraintViolation]) -> [ConstraintViolation] {
    var known: Set<String> = []
    return violations.filter { known.insert($0.constraint).inserted }
  }

  private func memoryReason(_ nearest: RankedPlan, _ limit: Bytes) -> ConstraintViolation {
    let needed = nearest.predicted.memory.total
    return ConstraintViolation(
      constraint: "memory of a device", found: "\(limit.count) bytes",
      needed: "\(needed.count) bytes by the plan that needs least",
      remedy: "--memory \(needed.count)")
  }
}

extension RankedPlan {
  var entry: Ranking.Entry {
    Ranking.Entry(choices: choices, step: predicted.step, memory: predicted.memory.total)
  }
}
