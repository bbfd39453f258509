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
    for choices in space.candidates() {
      if let violation = consider(choices) { violations.append(violation) }
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
    if tooLarge.isEmpty { addNearestDevices() }
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
      answer.space.infeasible += 1
      answer.refusals[error.constraint, default: 0] += 1
      return error
    }
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

  /// Names the nearest device counts for which something divides.
  private mutating func addNearestDevices() {
    guard request.pins == Pins(), request.devices <= 1 << 20 else { return }
    let counts = (1...64).flatMap { [request.devices - $0, request.devices + $0] }
    guard let nearest = counts.first(where: { $0 > 0 && hasCandidate(devices: $0) })
    else { return }
    answer.reasons.append(
      ConstraintViolation(
        constraint: "devices that divide", found: "\(request.devices)", needed: "\(nearest)",
        remedy: "--devices \(nearest)"))
  }

  private func hasCandidate(devices: Int) -> Bool {
    var other = request
    other.devices = devices
    var space = CandidateSpace(other)
    return space.candidates().contains { choices in
      (try? Lowering(request.training, choices)) != nil
    }
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
