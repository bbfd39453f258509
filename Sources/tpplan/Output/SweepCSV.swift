import Formats
import Partitioner
import PlanIR

/// A sweep's answer for spreadsheets, documented in `docs/sweep.md`.
enum SweepCSV {
  private static let header = [
    "devices", "step_seconds", "tokens_per_second", "device_hours_per_billion_tokens",
    "model_flops_utilization", "memory_bytes", "speedup", "efficiency", "gain", "gain_over", "knee",
    "plan", "reason",
  ]

  static func text(_ asked: SweepHead, _ answer: SweepAnswer) -> String {
    var table = CSVText(header)
    for row in answer.rows { table.append(record(row, knee: answer.curve.knee?.devices)) }
    return table.text
  }

  /// Figures as JSON has them; empty where nothing fits.
  private static func record(_ row: SweepAnswer.Row, knee: Int?) -> [String] {
    guard let best = row.best else {
      let reason = row.reasons.first.map { "\($0)" } ?? "no plan"
      return ["\(row.devices)"] + Array(repeating: "", count: 11) + [reason]
    }
    let (predicted, scaling) = (best.plan.predicted, best.scaling)
    return [
      "\(row.devices)", "\(predicted.step.seconds)", "\(best.tokensPerSecond)",
      "\(best.deviceHoursPerBillionTokens)", "\(predicted.utilization)",
      "\(predicted.memory.total.count)", "\(scaling.speedup)", "\(scaling.efficiency)",
      scaling.gain.map { "\($0.fraction)" } ?? "", scaling.gain.map { "\($0.over)" } ?? "",
      "\(row.devices == knee)", SweepText.name(best.plan), "",
    ]
  }
}
