import Foundation
import Partitioner
import PlanIR

/// A search's answer for people.
enum SearchText {
  static func text(
    _ asked: SearchHead, _ answer: SearchAnswer, _ plans: [RankedPlan], _ elapsed: Double
  ) -> String {
    let head = HeadText.lines(
      asked.model, asked.cluster, devices: asked.devices, asked.workload, limit: asked.limit)
    let body = plans.isEmpty ? failure(answer) : success(plans, devices: asked.devices)
    return [head, body, space(answer, elapsed)].joined(separator: "\n\n")
  }

  private static func success(
    _ plans: [RankedPlan], devices: Int
  ) -> String {
    var parts = [PlanText.table(plans), PlanText.breakdown(plans[0].predicted)]
    parts.append(PlanText.memory(plans[0].predicted.memory))
    parts.append(
      PlanText.communication(plans[0].predicted.communication, devices: devices))
    if plans.count > 1 {
      parts.append("runner-up    \(PlanText.whyLost(plans[1], against: plans[0]))")
    }
    return parts.joined(separator: "\n\n")
  }

  private static func failure(_ answer: SearchAnswer) -> String {
    var lines = ["no plan:"]
    for reason in answer.reasons.prefix(12) { lines.append("  \(reason)") }
    if answer.reasons.count > 12 { lines.append("  and \(answer.reasons.count - 12) more") }
    if let nearest = answer.nearest {
      lines.append(
        "the plan that needs least memory: \(PlanText.name(nearest.choices)), micro-batch "
          + "\(nearest.choices.microBatch): \(Units.bytes(nearest.predicted.memory.total))")
    }
    return lines.joined(separator: "\n")
  }

  private static func space(_ answer: SearchAnswer, _ elapsed: Double) -> String {
    let space = answer.space
    var lines = [
      "\(space.candidates) candidates: \(space.evaluated) fit, \(space.pruned) pruned, "
        + "\(space.infeasible) infeasible; \(Units.seconds(elapsed))"
    ]
    if answer.overMemory > 0 { lines.append("  \(answer.overMemory) need more memory") }
    for (constraint, count) in answer.refusals.sorted(by: { $0.key < $1.key }) {
      lines.append("  \(count) refused: \(constraint)")
    }
    return lines.joined(separator: "\n")
  }
}
