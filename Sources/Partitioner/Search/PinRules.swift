import PlanIR

/// Which pins this version cannot meet.
enum PinRules {
  static func unbuilt(_ pins: Pins) -> [ConstraintViolation] {
    var found: [ConstraintViolation] = []
    func refuse(_ condition: Bool, _ what: String, _ remedy: String) {
      guard condition else { return }
      found.append(
        ConstraintViolation(
          constraint: "\(what) is not built in this version", found: what,
          needed: "a choice that is built", remedy: remedy))
    }
    refuse(pins.opensFactors, "layout any", "no --layout: every named layout is searched")
    return found
  }

  /// What is asked beside mixtures that these are not searched with.
  static func unsearched(_ request: SearchRequest) -> [ConstraintViolation] {
    let pins = request.pins
    guard pins.layout == .mixed else { return [] }
    if request.training.isAnnotated {
      return [
        ConstraintViolation(
          constraint: "mixtures for a model with written shardings are not built in this version",
          found: "layout mixed", needed: "one layout", remedy: "no --layout, or no shardings")
      ]
    }
    let isStaged =
      (pins.pipeline ?? 1) > 1 || (pins.schedule ?? .none) != .none || (pins.interleave ?? 1) > 1
    let recomputes = (pins.recompute ?? .none) != .none
    guard isStaged || (pins.context ?? 1) > 1 || recomputes else { return [] }
    return [
      ConstraintViolation(
        constraint:
          "mixtures over stages or context, or with recomputation, are not searched in this version",
        found: "layout mixed with one of them", needed: "one layout, or none of them",
        remedy: "no --layout mixed, or --pipeline 1, --context 1 and --recompute none")
    ]
  }
}
