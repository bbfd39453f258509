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
  /// Candidates that need more memory than the limit.
  package var overMemory = 0
  /// Candidates refused by each constraint.
  package var refusals: [String: Int] = [:]

  init() {}

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

  private init(request: SearchRequest) { self.request = request }

  private func answer() -> SearchAnswer {
    var space = CandidateSpace(request)
    let families = space.families().bySplit
    var ranking = ranking(of: families, bounds: true)
    // Where nothing fits the plan that needs least is wanted: nothing is left out then.
    if ranking.best.isEmpty && ranking.overMemory > 0 {
      ranking = self.ranking(of: families, bounds: false)
    }
    var answer = SearchAnswer()
    answer.plans = plans(ranking.best, &answer.mispriced)
    answer.front = plans(ranking.front, &answer.mispriced)
    let order = PlanOrder(request.objective)
    // Mixtures that cannot win are pruned: theirs is the best only where it is the best of all.
    let ofLayouts = ranking.bestOfLayouts.values.sorted(by: order.precedes)
      .filter { $0.choices.layout != .mixed || $0.choices == ranking.best.first?.choices }
    answer.bestOfLayouts = plans(ofLayouts, &answer.mispriced)
    answer.space = ranking.space
    answer.overMemory = ranking.overMemory
    answer.refusals = ranking.refusals
    guard answer.plans.isEmpty else { return answer }
    answer.nearest = plans(ranking.leastOver.map { [$0] } ?? [], &answer.mispriced).first
    answer.reasons = reasons(space.violations + ranking.violations, answer.nearest)
    return answer
  }

  private func ranking(of families: [[Family]], bounds: Bool) -> Ranking {
    var search = FamilySearch(request, bounds: bounds)
    search.consider(families)
    return search.ranking
  }

  /// Each entry's whole prediction, by the path that reads a plan file; what does not agree with its
  /// entry goes to `mispriced`.
  private func plans(_ entries: [Ranking.Entry], _ mispriced: inout [String]) -> [RankedPlan] {
    var found: [RankedPlan] = []
    for entry in entries {
      do throws(ConstraintViolation) {
        let predicted = try Partitioner.predict(
          request.training, choices: entry.choices, cluster: request.cluster,
          timings: request.timings)
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
    var reasons: [ConstraintViolation] = []
    if let limit = request.limit, let nearest { reasons.append(memoryReason(nearest, limit)) }
    for violation in violations where !reasons.contains(violation) { reasons.append(violation) }
    guard nearest == nil, !reasons.contains(where: \.isUnbuilt) else { return reasons }
    var sizes = NearestSizes(request)
    return reasons + sizes.reasons()
  }

  private func memoryReason(_ nearest: RankedPlan, _ limit: Bytes) -> ConstraintViolation {
    let needed = nearest.predicted.memory.total
    return ConstraintViolation(
      constraint: "memory of a device", found: "\(limit.count) bytes",
      needed: "\(needed.count) bytes by the plan that needs least",
      remedy: "--memory \(needed.count), more devices, or a smaller --global-batch")
  }
}
