import Foundation
import Partitioner
import PlanIR

/// A sweep's answer for people.
enum SweepText {
  static func text(_ asked: SweepHead, _ answer: SweepAnswer, _ elapsed: Double) -> String {
    let searches = asked.counts.count == 1 ? "1 search" : "\(asked.counts.count) searches"
    var parts = [head(asked), table(answer)]
    if let knee = knee(answer.curve) { parts.append(knee) }
    parts.append("\(searches); \(Units.seconds(elapsed))")
    return parts.joined(separator: "\n\n")
  }

  /// Counts that the head names; of more the first and the last.
  private static let shownCounts = 12

  private static func head(_ asked: SweepHead) -> String {
    let shown = asked.counts.count > shownCounts ? shownCounts - 1 : asked.counts.count - 1
    let counts =
      (asked.counts.prefix(shown).map(String.init) + (shown < asked.counts.count - 1 ? ["..."] : [])
      + asked.counts.suffix(1).map(String.init)).joined(separator: ", ")
    return HeadText.lines(
      asked.model, asked.cluster, devices: counts, memory: memory(asked), asked.workload)
  }

  private static func memory(_ asked: SweepHead) -> String {
    let one = asked.head(devices: 1)
    let memory = Units.bytes(one.cluster.device.memory)
    let limit = one.limit.map(Units.bytes) ?? "none"
    guard asked.cluster.isLocal else { return "\(memory) each, limit \(limit)" }
    return "which share \(memory)" + (asked.memory == .device ? "" : ", limit \(limit) each")
  }

  private static func table(_ answer: SweepAnswer) -> String {
    var table = Table(
      [
        "devices", "step", "tokens/s", "device-hours/10^9 tokens", "utilization", "memory",
        "speedup", "efficiency", "gain", "plan",
      ], left: [9])
    for row in answer.rows { table.add(cells(row)) }
    return table.text
  }

  private static func cells(_ row: SweepAnswer.Row) -> [String] {
    guard let best = row.best else {
      return ["\(row.devices)"] + Array(repeating: "", count: 8) + [refusal(row)]
    }
    let predicted = best.plan.predicted
    return [
      "\(row.devices)", Units.time(predicted.step), rounded(best.tokensPerSecond),
      rounded(best.deviceHoursPerBillionTokens), Units.percent(predicted.utilization),
      Units.bytes(predicted.memory.total), Units.ratio(best.scaling.speedup),
      Units.percent(best.scaling.efficiency),
      best.scaling.gain.map { Units.percent($0.fraction) } ?? "", name(best.plan),
    ]
  }

  /// The plan in one line.
  static func name(_ plan: RankedPlan) -> String {
    let choices = plan.choices
    return
      "\(PlanText.name(choices)), micro-batch \(choices.microBatch) x \(choices.microBatches)"
  }

  private static func refusal(_ row: SweepAnswer.Row) -> String {
    if let nearest = row.nearest {
      return "does not fit: \(Units.bytes(nearest.predicted.memory.total)) at least"
    }
    return row.reasons.first.map { "no plan: \($0)" } ?? "no plan"
  }

  /// Three digits at least.
  private static func rounded(_ value: Double) -> String {
    value < 100 ? String(format: "%#.3g", value) : Units.count(Int(min(value, 1e18).rounded()))
  }

  private static func knee(_ curve: ScalingCurve) -> String? {
    guard let knee = curve.knee, let first = curve.points.first else { return nil }
    let name = "knee       " + count(knee.devices)
    let half = "half of linear speedup"
    guard let next = knee.next, let gain = next.gain else {
      return "\(name), the most that fit: each step up to there gains at least \(half)"
    }
    let lost = "\(next.devices) gain \(Units.percent(gain.fraction))"
    return knee.devices == first.devices
      ? "\(name): no more devices gain \(half); \(lost)"
      : "\(name): each step up to there gains at least \(half); \(lost)"
  }

  private static func count(_ devices: Int) -> String {
    devices == 1 ? "1 device" : "\(devices) devices"
  }
}
