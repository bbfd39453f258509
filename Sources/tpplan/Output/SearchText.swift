import Foundation
import Partitioner
import PlanIR

/// A search's answer for people.
enum SearchText {
  static func text(
    _ asked: SearchHead, _ answer: SearchAnswer, _ plans: [RankedPlan],
    front: [RankedPlan] = [], _ elapsed: Double
  ) -> String {
    let head = HeadText.lines(
      asked.model, asked.cluster, devices: asked.devices, asked.workload, limit: asked.limit)
    let body = plans.isEmpty ? failure(answer) : success(plans, answer, devices: asked.devices)
    let parts = [head, body] + [FrontPlot(front).text].compactMap(\.self)
    return (parts + [space(answer, elapsed)]).joined(separator: "\n\n")
  }

  private static func success(
    _ plans: [RankedPlan], _ answer: SearchAnswer, devices: Int
  ) -> String {
    var parts = [PlanText.table(plans), PlanText.breakdown(plans[0].predicted)]
    parts.append(PlanText.memory(plans[0].predicted.memory))
    parts.append(
      PlanText.communication(plans[0].predicted.communication, devices: devices))
    if plans.count > 1 {
      parts.append("runner-up    \(PlanText.whyLost(plans[1], against: plans[0]))")
    }
    if answer.bestOfLayouts.count > 1 { parts.append(layouts(answer.bestOfLayouts)) }
    return parts.joined(separator: "\n\n")
  }

  /// The best plan of each layout beside the best of all.
  private static func layouts(_ plans: [RankedPlan]) -> String {
    var table = Table(["best of each layout", "micro-batch", "step", "", "why"], left: [0, 4])
    for plan in plans {
      let ratio = plan.predicted.step.seconds / plans[0].predicted.step.seconds
      table.add([
        PlanText.name(plan.choices), "\(plan.choices.microBatch) x \(plan.choices.microBatches)",
        Units.time(plan.predicted.step), plan.choices == plans[0].choices ? "" : Units.ratio(ratio),
        plan.choices == plans[0].choices ? "" : PlanText.whyLost(plan, against: plans[0]),
      ])
    }
    return table.text
  }

  private static let shownReasons = 10
  /// Where nothing divides, what is nearest comes last and is always shown; where nothing fits, it comes first.
  private static let nearestReasons = 2

  private static func failure(_ answer: SearchAnswer) -> String {
    var lines = ["no plan:"]
    let reasons = answer.reasons
    let last = answer.nearest == nil ? nearestReasons : 0
    let hidden = reasons.count > shownReasons ? reasons.count - shownReasons : 0
    lines += reasons.dropLast(last + hidden).map { "  \($0)" }
    if hidden > 0 { lines.append("  and \(hidden) more") }
    lines += reasons.suffix(last).map { "  \($0)" }
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
