import PlanIR

/// Why there are no thresholds between two plans.
package enum ThresholdRefusal: Error, Hashable, Sendable, CustomStringConvertible {
  case cluster, model, workload
  case samePlan, sameTime
  case unplanned(ConstraintViolation)

  /// Throws where two plans cannot be compared.
  static func check(_ plan: Plan, _ other: Plan) throws(ThresholdRefusal) {
    guard plan.model == other.model else { throw .model }
    guard plan.workload == other.workload else { throw .workload }
    var (first, second) = (plan.cluster, other.cluster)
    (first.sources, second.sources) = ([:], [:])
    guard first == second else { throw .cluster }
    guard plan.choices != other.choices else { throw .samePlan }
    guard plan.predicted.step != other.predicted.step else { throw .sameTime }
  }

  package var description: String {
    switch self {
    case .cluster: "the plans are for different clusters"
    case .model: "the plans are for different models"
    case .workload: "the plans are for different workloads"
    case .samePlan: "the plans are the same"
    case .sameTime: "the plans take equally long"
    case .unplanned(let violation): "\(violation)"
    }
  }
}
