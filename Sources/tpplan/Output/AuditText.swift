import Foundation
import Partitioner
import PlanIR

/// An audit's answer for people.
enum AuditText {
  static func text(
    _ asked: SearchHead, _ reading: LaunchReading, _ answer: AuditAnswer
  ) -> String {
    let head = HeadText.lines(
      asked.model, asked.cluster, devices: asked.devices, asked.workload, limit: asked.limit)
    let notes = reading.notes
    var parts = [([head] + notes.map { "note       \($0)" }).joined(separator: "\n")]
    if let present = answer.present {
      parts.append(verdict(present, asked, answer))
      parts.append(PlanText.breakdown(present.predicted))
      parts.append(PlanText.memory(present.predicted.memory))
      if !answer.changes.isEmpty { parts.append(changes(present, answer)) }
      if answer.path.count > 1 { parts.append(path(answer.path)) }
      if !answer.advice.isEmpty {
        parts.append((["advice"] + answer.advice.map { "  \($0.text)" }).joined(separator: "\n"))
      }
    } else {
      parts.append((["cannot be:"] + answer.reasons.map { "  \($0)" }).joined(separator: "\n"))
    }
    let flags = flags(reading)
    return (flags.isEmpty ? parts : parts + [flags]).joined(separator: "\n\n")
  }

  private static func verdict(
    _ present: RankedPlan, _ asked: SearchHead, _ answer: AuditAnswer
  ) -> String {
    var lines = ["you run    \(line(present))"]
    let held = Units.bytes(present.predicted.memory.total)
    let stage = answer.stageCount > 1 ? " on stage \(answer.fullestStage)" : ""
    let limit = asked.limit.map { " of \(Units.bytes($0))" } ?? ""
    lines.append(
      (answer.fits ? "fits       " : "does not fit: out of memory, ") + held + limit + stage)
    if let optimum = answer.optimum {
      lines.append("optimum    \(line(optimum))\(source(answer))")
      if let ratio = answer.ratio {
        let isBest = answer.optimumSource == .present
        lines.append(
          "distance   \(Units.ratio(ratio))"
            + (isBest ? ": nothing better is known" : " of the optimum's time"))
      }
    } else {
      lines.append("optimum    none that was priced fits")
    }
    if let best = answer.best {
      lines.append("change     \(best.to)")
      lines.append("  in place of \(best.from): \(gain(best, present, answer.fits))")
    } else {
      lines.append("change     no single change helps")
    }
    return lines.joined(separator: "\n")
  }

  private static func line(_ plan: RankedPlan) -> String {
    let choices = plan.choices
    return
      "\(PlanText.name(choices)), micro-batch \(choices.microBatch) x \(choices.microBatches): "
      + "\(Units.time(plan.predicted.step)), "
      + "utilization \(Units.percent(plan.predicted.utilization)), "
      + Units.bytes(plan.predicted.memory.total)
  }

  private static func source(_ answer: AuditAnswer) -> String {
    switch answer.optimumSource {
    case .present: " (what you run)"
    case .change: " (one change)"
    case .path: " (by the changes below)"
    case .search: ""
    }
  }

  private static func gain(_ change: AuditChange, _ present: RankedPlan, _ fits: Bool) -> String {
    let (then, now) = (change.plan.predicted, present.predicted)
    guard fits else {
      return change.fits
        ? "fits, \(Units.bytes(then.memory.total)), \(Units.time(then.step)) a step"
        : "\(Units.bytes(then.memory.total)), still too much"
    }
    let less = 1 - then.step.seconds / now.step.seconds
    let parts = PlanText.differences(from: now, to: then).sorted { $0.time < $1.time }
      .map { name, time in
        (time < .zero ? "-" : "+") + "\(Units.seconds(time.seconds.magnitude)) \(name)"
      }
    return "\(Units.time(then.step)), \(Units.percent(less)) less: "
      + "\(parts.joined(separator: ", ")); \(Units.bytes(then.memory.total))"
  }

  private static func changes(_ present: RankedPlan, _ answer: AuditAnswer) -> String {
    var table = Table(["one change at a time", "step", "", "memory", ""], left: [0, 4])
    for change in answer.changes {
      let predicted = change.plan.predicted
      let ratio = predicted.step.seconds / present.predicted.step.seconds
      table.add([
        change.to, Units.time(predicted.step), Units.ratio(ratio),
        Units.bytes(predicted.memory.total), change.fits ? "" : "does not fit",
      ])
    }
    return table.text
  }

  private static func path(_ path: [AuditChange]) -> String {
    var table = Table(["one after another", "step", "memory", ""], left: [0, 3])
    for change in path {
      table.add([
        change.to, Units.time(change.plan.predicted.step),
        Units.bytes(change.plan.predicted.memory.total), change.fits ? "" : "does not fit",
      ])
    }
    return table.text
  }

  private static func flags(_ reading: LaunchReading) -> String {
    [
      ("unknown, not priced: ", reading.unknown), ("known, not priced: ", reading.unpriced),
      ("no effect on plans: ", reading.ignored),
    ].filter { !$0.1.isEmpty }.map { $0.0 + $0.1.joined(separator: ", ") }
      .joined(separator: "\n")
  }
}
