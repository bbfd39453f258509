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
  /// Every plan that fits, best first.
  package var plans: [RankedPlan] = []
  /// Why there is none, or what else stands in the way.
  package var reasons: [ConstraintViolation] = []
  /// Where nothing fits, the plan that needs least memory.
  package var nearest: RankedPlan?
  package var space = Space()
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

/// Finds the cheapest plan: every candidate that can be lowered is priced, those that do not fit are
/// set aside, the rest ordered.
package struct Search {
  let request: SearchRequest
  private var answer = SearchAnswer()
  private var tooLarge: [RankedPlan] = []

  /// Answers `request`. Equal requests have equal answers.
  package static func run(_ request: SearchRequest) -> SearchAnswer {
    var search = Search(request: request)
    search.run()
    return search.answer
  }

  private init(request: SearchRequest) { self.request = request }

  private mutating func run() {
    var space = CandidateSpace(request)
    var violations: [ConstraintViolation] = []
    var refused: [String: ConstraintViolation] = [:]
    for choices in space.candidates() {
      let family = choices.family
      if let known = refused[family] {
        count(known)
      } else if let violation = consider(choices) {
        refused[family] = violation
        violations.append(violation)
      }
    }
    let order = PlanOrder(request.objective)
    answer.plans.sort(by: order.precedes)
    tooLarge.sort(by: PlanOrder(.memory).precedes)
    guard answer.plans.isEmpty else { return }
    answer.nearest = tooLarge.first
    if let limit = request.limit, let nearest = tooLarge.first {
      answer.reasons.append(memoryReason(nearest, limit))
    }
    answer.reasons += distinct(space.violations + violations)
    guard tooLarge.isEmpty, !answer.reasons.contains(where: \.isUnbuilt) else { return }
    var sizes = NearestSizes(request)
    answer.reasons += sizes.reasons()
  }

  private mutating func consider(_ choices: PlanChoices) -> ConstraintViolation? {
    do throws(ConstraintViolation) {
      let predicted = try Partitioner.predict(
        request.training, choices: choices, cluster: request.cluster, timings: request.timings)
      let plan = RankedPlan(choices: choices, predicted: predicted)
      if let limit = request.limit, predicted.memory.total > limit {
        tooLarge.append(plan)
        answer.overMemory += 1
        answer.space.infeasible += 1
      } else {
        answer.plans.append(plan)
        answer.space.evaluated += 1
      }
      return nil
    } catch {
      count(error)
      return error
    }
  }

  private mutating func count(_ violation: ConstraintViolation) {
    answer.space.infeasible += 1
    answer.refusals[violation.constraint, default: 0] += 1
  }

  private func memoryReason(_ nearest: RankedPlan, _ limit: Bytes) -> ConstraintViolation {
    let needed = nearest.predicted.memory.total
    return ConstraintViolation(
      constraint: "memory of a device", found: "\(limit.count) bytes",
      needed: "\(needed.count) bytes by the plan that needs least",
      remedy: "--memory \(needed.count), more devices, or a smaller --global-batch")
  }

  private func distinct(_ violations: [ConstraintViolation]) -> [ConstraintViolation] {
    var seen: Set<ConstraintViolation> = []
    return violations.filter { seen.insert($0).inserted }
  }
}

extension SearchAnswer {
  /// The plans that no other beats in time and memory both, fastest first.
  package var paretoFront: [RankedPlan] {
    var least: Bytes?
    let byTime = plans.sorted(by: PlanOrder(.time).precedes)
    return byTime.filter { plan in
      let memory = plan.predicted.memory.total
      guard least.map({ memory < $0 }) ?? true else { return false }
      least = memory
      return true
    }
  }
}

/// The total order of plans: by what is asked, then by the other, then by their text.
struct PlanOrder {
  let objective: Objective

  init(_ objective: Objective) { self.objective = objective }

  func precedes(_ left: RankedPlan, _ right: RankedPlan) -> Bool {
    let (first, second) = (key(left), key(right))
    if first != second { return first < second }
    return left.choices.canonicalText < right.choices.canonicalText
  }

  private func key(_ plan: RankedPlan) -> (Int, Int) {
    let (time, memory) = (plan.predicted.step.count, plan.predicted.memory.total.count)
    return objective == .time ? (time, memory) : (memory, time)
  }
}

extension PlanChoices {
  /// What candidates that differ in their micro-batch alone have in common: what divides does not
  /// depend on it.
  fileprivate var family: String {
    var common = self
    common.microBatch = 0
    common.microBatches = 0
    return common.canonicalText
  }

  /// One line that names every choice in which candidates differ, compared where all else is equal.
  package var canonicalText: String {
    let axes = mesh.axes.map { "\($0.name)=\($0.size)" }.joined(separator: " ")
    let parts = [
      layout.rawValue, axes, "sequence_parallel=\(sequenceParallel)",
      "inputs=\(gathersInputs.rawValue)", "key_value=\(keyValue.rawValue)",
      "micro_batch=\(microBatch)", "micro_batches=\(microBatches)",
    ]
    return parts.filter { !$0.isEmpty }.joined(separator: " ")
  }
}
