import Executor
import Formats
import Foundation
import PlanIR
import Proof
import Reference

/// A proof's outcome for people.
enum ExecuteText {
  static func text(
    _ verdict: Verdict, _ plan: Plan, dtype: DType, parts compared: PartComparison?
  ) -> String {
    let devices = plan.choices.mesh.deviceCount
    var parts = [
      "plan       \(PlanText.name(plan.choices)) on \(devices) threads, \(dtype.rawValue)",
      "loss       \(verdict.run.losses.first ?? .nan)"
        + (verdict.reference.map { ", unsharded \($0.loss)" } ?? ", reference skipped"),
    ]
    if let errors = verdict.errors { parts.append(self.errors(errors, verdict.tolerance)) }
    parts.append(traffic(verdict))
    parts.append(peaks(verdict))
    let seconds = verdict.run.stepSeconds.map { Units.seconds($0) }.prefix(10)
    parts.append("step       \(seconds.joined(separator: ", ")) (the first warms up)")
    if let compared { parts.append(compared.text) }
    parts.append(
      verdict.isValid ? "valid" : "NOT VALID: \(faults(verdict).joined(separator: "; "))")
    if !verdict.numbersAgree && verdict.run.isFinite && dtype == .float32 {
      parts.append(
        "hint       float32 rounds off much where norms have few features: --dtype float64 tells that "
          + "from a wrong plan")
    }
    return parts.joined(separator: "\n\n")
  }

  private static func errors(_ errors: Verdict.Errors, _ tolerance: Double?) -> String {
    var table =
      tolerance == nil
      ? Table(["deviation from float64", ""])
      : Table(["deviation from the unsharded model", "", "tolerance"])
    func add(_ name: String, _ deviation: Double) {
      table.add(
        [name, Units.deviation(deviation)] + (tolerance.map { [Units.deviation($0)] } ?? []))
    }
    add("loss", errors.loss)
    if let logits = errors.logits { add("logits", logits) }
    add("gradients" + (errors.worst.map { " (worst: \($0))" } ?? ""), errors.gradients)
    return table.text
  }

  private static func traffic(_ verdict: Verdict) -> String {
    guard !verdict.traffic.isEmpty else { return "communication: none, predicted and measured" }
    var table = Table(["axis", "collective", "predicted", "measured", ""], left: [0, 1, 4])
    for pair in verdict.traffic {
      table.add([
        pair.axis, pair.collective, "\(Units.count(pair.predicted)) B",
        "\(Units.count(pair.measured)) B", pair.predicted == pair.measured ? "equal" : "DIFFERS",
      ])
    }
    return table.text
  }

  private static func peaks(_ verdict: Verdict) -> String {
    let planned = verdict.run.peakPlanned
    let executed = verdict.run.peakExecuted.max() ?? 0
    let isEqual = verdict.peaksAgree ? "equal on every device" : "DIFFERS"
    return "memory     predicted \(Units.count(verdict.peakPredicted)) B, measured "
      + "\(Units.count(planned.max() ?? 0)) B, \(isEqual); in the run's own widths "
      + "\(Units.bytes(Bytes(executed)))"
  }

  static func faults(_ verdict: Verdict) -> [String] {
    var faults: [String] = []
    if !verdict.numbersAgree {
      faults.append(
        !verdict.run.isFinite
          ? "numbers are not finite" : "numbers differ from the unsharded model's")
    }
    if !verdict.bytesAgree { faults.append("bytes moved differ from those predicted") }
    if !verdict.peaksAgree { faults.append("memory differs from that predicted") }
    return faults
  }
}

/// A proof's outcome for programs: `tpplan.execute/1`.
enum ExecuteJSON {
  static func document(
    _ verdict: Verdict, _ plan: Plan, dtype: DType, seed: UInt64, parts: PartComparison?
  ) -> JSONValue {
    let run = verdict.run
    let devices = plan.choices.mesh.deviceCount
    return .object(
      [
        JSONMember(key: "schema", value: "tpplan.execute/1"),
        JSONMember(key: "valid", value: .bool(verdict.isValid)),
        JSONMember(key: "loss", value: number(run.losses.first)),
        JSONMember(key: "reference_loss", value: number(verdict.reference?.loss)),
        JSONMember(key: "errors", value: errors(verdict.errors)),
        JSONMember(key: "tolerance", value: number(verdict.tolerance)),
        JSONMember(key: "communication", value: .array(verdict.traffic.map(traffic))),
        JSONMember(
          key: "peak_bytes",
          value: .object([
            JSONMember(
              key: "predicted",
              value: .array(verdict.peaksPredicted.map { .integer($0) })),
            JSONMember(key: "measured", value: .array(run.peakPlanned.map { .integer($0) })),
          ])),
        JSONMember(
          key: "peak_bytes_executed", value: .array(run.peakExecuted.map { .integer($0) })),
        JSONMember(key: "step_seconds", value: .array(run.stepSeconds.map { .number($0) })),
        JSONMember(key: "devices", value: .integer(devices)),
        JSONMember(key: "threads", value: .integer(devices)),
        JSONMember(key: "dtype", value: .string(dtype.rawValue)),
        JSONMember(key: "seed", value: seed <= Int.max ? .integer(Int(seed)) : .string("\(seed)")),
      ] + (parts.map { [JSONMember(key: "parts", value: $0.document)] } ?? []))
  }

  private static func errors(_ errors: Verdict.Errors?) -> JSONValue {
    .object([
      JSONMember(key: "loss", value: number(errors?.loss)),
      JSONMember(key: "logits", value: number(errors?.logits)),
      JSONMember(
        key: "gradients",
        value: .object([
          JSONMember(key: "max", value: number(errors?.gradients)),
          JSONMember(key: "worst", value: errors?.worst.map { .string($0) } ?? .null),
        ])),
    ])
  }

  private static func traffic(_ pair: Verdict.TrafficPair) -> JSONValue {
    .object([
      JSONMember(key: "axis", value: .string(pair.axis)),
      JSONMember(key: "collective", value: .string(pair.collective)),
      JSONMember(key: "predicted_bytes", value: .integer(pair.predicted)),
      JSONMember(key: "measured_bytes", value: .integer(pair.measured)),
    ])
  }

  /// Null where there is none, or where it is no number.
  private static func number(_ value: Double?) -> JSONValue {
    guard let value, value.isFinite else { return .null }
    return .number(value)
  }
}
