import Formats
import Partitioner
import PlanIR

/// What `verify` says.
enum VerifyText {
  static func text(_ check: CertificateCheck, _ step: Picoseconds) -> String {
    var lines = [
      "plan         \(Units.time(step)), lowered again: costs what its file says",
      "certificate  \(Units.count(check.leaves)) bounds, "
        + "\(Units.count(check.decisions)) decisions looked for in it",
      "draws        \(Units.count(check.fitting)) fit, "
        + "\(Units.count(check.overMemory)) need more memory, "
        + "\(Units.count(check.refused)) cannot be",
    ]
    if let fastest = check.fastest {
      lines.append("fastest      \(Units.time(fastest)) of those that were drawn")
    }
    lines.append("")
    if check.faults.isEmpty {
      lines.append("holds: nothing that was drawn is faster than its bound, no bound than the plan")
    } else {
      lines.append("does not hold:")
      lines += check.faults.map { "  " + $0 }
    }
    return lines.joined(separator: "\n")
  }

  static func document(_ check: CertificateCheck, _ step: Picoseconds) -> JSONValue {
    let draws: JSONValue = [
      "fit": .integer(check.fitting), "over_memory": .integer(check.overMemory),
      "refused": .integer(check.refused),
      "fastest_seconds": check.fastest.map { .number($0.seconds) } ?? .null,
    ]
    return [
      "schema": "tpplan.verify/1", "holds": .bool(check.faults.isEmpty),
      "step_seconds": .number(step.seconds), "bounds": .integer(check.leaves),
      "decisions": .integer(check.decisions), "draws": draws,
      "faults": .array(check.faults.map { .string($0) }),
    ]
  }
}
