import Formats
import Partitioner
import PlanIR

/// What a plan cache remembers of a search's answer: which plans won and how many candidates there were, but
/// not what plans cost.
struct PlanCacheEntry: Equatable {
  private var plans: [PlanChoices]
  private var front: [PlanChoices]
  private var bestOfLayouts: [PlanChoices]
  private var space: SearchAnswer.Space
  private var overMemory: Int
  private var refusals: [String: Int]

  /// What is remembered of `answer`.
  init(_ answer: SearchAnswer) {
    plans = answer.plans.map(\.choices)
    front = answer.front.map(\.choices)
    bestOfLayouts = answer.bestOfLayouts.map(\.choices)
    (space, overMemory, refusals) = (answer.space, answer.overMemory, answer.refusals)
  }

  /// The answer to `request`, each plan lowered and priced anew.
  ///
  /// - Throws: ``ConstraintViolation`` where a plan cannot be.
  func answer(to request: SearchRequest) throws(ConstraintViolation) -> SearchAnswer {
    var priced: [PlanChoices: RankedPlan] = [:]
    var answer = SearchAnswer()
    answer.plans = try Self.price(plans, request, &priced)
    answer.front = try Self.price(front, request, &priced)
    answer.bestOfLayouts = try Self.price(bestOfLayouts, request, &priced)
    (answer.space, answer.overMemory, answer.refusals) = (space, overMemory, refusals)
    return answer
  }

  private static func price(
    _ all: [PlanChoices], _ request: SearchRequest, _ priced: inout [PlanChoices: RankedPlan]
  ) throws(ConstraintViolation) -> [RankedPlan] {
    var plans: [RankedPlan] = []
    for choices in all {
      let plan: RankedPlan
      if let known = priced[choices] { plan = known } else { plan = try price(choices, request) }
      priced[choices] = plan
      plans.append(plan)
    }
    return plans
  }

  private static func price(
    _ choices: PlanChoices, _ request: SearchRequest
  ) throws(ConstraintViolation) -> RankedPlan {
    let predicted = try Partitioner.predict(
      request.training, choices: choices, cluster: request.cluster, timings: request.timings)
    return RankedPlan(choices: choices, predicted: predicted)
  }
}

extension PlanCacheEntry {
  /// What is stored: equal entries have equal texts.
  var text: String {
    let document: JSONValue = [
      "plans": Self.value(of: plans), "front": Self.value(of: front),
      "best_of_layouts": Self.value(of: bestOfLayouts),
      "evaluated": .integer(space.evaluated), "pruned": .integer(space.pruned),
      "infeasible": .integer(space.infeasible), "over_memory": .integer(overMemory),
      "refusals": .object(
        refusals.sorted { $0.key < $1.key }
          .map { JSONMember(key: $0.key, value: .integer($0.value)) }),
    ]
    return document.compactText
  }

  private static func value(of plans: [PlanChoices]) -> JSONValue {
    .array(plans.map { JSONValue($0) })
  }

  /// Reads what was stored.
  ///
  /// - Throws: `FormatError` where it is no entry.
  init(text: String) throws(FormatError) {
    let document = try JSONDocument(text: text, file: "plan cache")
    plans = try Self.plans(document.field("plans"))
    front = try Self.plans(document.field("front"))
    bestOfLayouts = try Self.plans(document.field("best_of_layouts"))
    space = SearchAnswer().space
    space.evaluated = try document.field("evaluated").nonNegativeInteger()
    space.pruned = try document.field("pruned").nonNegativeInteger()
    space.infeasible = try document.field("infeasible").nonNegativeInteger()
    overMemory = try document.field("over_memory").nonNegativeInteger()
    refusals = [:]
    for (constraint, count) in try document.field("refusals").members() {
      refusals[constraint] = try count.nonNegativeInteger()
    }
  }

  private static func plans(_ node: JSONNode) throws(FormatError) -> [PlanChoices] {
    var plans: [PlanChoices] = []
    for choices in try node.array() { plans.append(try choices.choices()) }
    return plans
  }
}
