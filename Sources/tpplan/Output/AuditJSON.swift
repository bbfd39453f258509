import Formats
import Partitioner
import PlanIR

/// An audit's answer for programs: `tpplan.audit/1`.
enum AuditJSON {
  static func document(
    _ asked: SearchHead, _ reading: LaunchReading, _ answer: AuditAnswer
  ) -> JSONValue {
    let devices = asked.devices
    func plan(_ plan: RankedPlan?) -> JSONValue {
      plan.map { JSONValue(rank: 1, $0.choices, $0.predicted, devices: devices) } ?? .null
    }
    var members = [
      JSONMember(key: "schema", value: "tpplan.audit/1"),
      JSONMember(key: "model", value: SearchJSON.model(asked.model)),
      JSONMember(key: "cluster", value: SearchJSON.cluster(asked.cluster, devices: devices)),
      JSONMember(key: "workload", value: SearchJSON.workload(asked.workload)),
      JSONMember(key: "launch", value: launch(reading)),
      JSONMember(key: "fits", value: .bool(answer.fits)),
      JSONMember(key: "memory_limit_bytes", value: asked.limit.map { .integer($0.count) } ?? .null),
      JSONMember(key: "fullest_stage", value: .integer(answer.fullestStage)),
      JSONMember(key: "present", value: plan(answer.present)),
      JSONMember(key: "optimum", value: plan(answer.optimum)),
      JSONMember(
        key: "optimum_from",
        value: answer.optimum == nil ? .null : .string(answer.optimumSource.rawValue)),
      JSONMember(key: "ratio", value: answer.ratio.map { .number($0) } ?? .null),
      JSONMember(key: "best_change", value: answer.best.map { change($0, plan) } ?? .null),
      JSONMember(key: "changes", value: .array(answer.changes.map { change($0, plan) })),
      JSONMember(key: "path", value: .array(answer.path.map { change($0, plan) })),
      JSONMember(key: "advice", value: .array(answer.advice.map(advice))),
    ]
    if answer.present == nil {
      let reasons = answer.reasons.map { SearchJSON.reason($0) }
      members.append(JSONMember(key: "reasons", value: .array(reasons)))
    }
    return .object(members)
  }

  private static func launch(_ reading: LaunchReading) -> JSONValue {
    func texts(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }
    return .object([
      JSONMember(key: "framework", value: .string(reading.configuration.framework.rawValue)),
      JSONMember(key: "notes", value: texts(reading.notes)),
      JSONMember(key: "ignored", value: texts(reading.ignored)),
      JSONMember(key: "unpriced", value: texts(reading.unpriced)),
      JSONMember(key: "unknown", value: texts(reading.unknown)),
    ])
  }

  private static func change(_ change: AuditChange, _ plan: (RankedPlan?) -> JSONValue) -> JSONValue
  {
    .object([
      JSONMember(key: "knob", value: .string(change.knob.rawValue)),
      JSONMember(key: "from", value: .string(change.from)),
      JSONMember(key: "to", value: .string(change.to)),
      JSONMember(key: "fits", value: .bool(change.fits)),
      JSONMember(key: "plan", value: plan(change.plan)),
    ])
  }

  private static func advice(_ advice: AuditAdvice) -> JSONValue {
    .object([
      JSONMember(key: "rule", value: .string(advice.rule.rawValue)),
      JSONMember(key: "text", value: .string(advice.text)),
    ])
  }
}
