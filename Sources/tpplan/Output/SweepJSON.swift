import Formats
import Partitioner
import PlanIR

/// A sweep's answer for programs: `tpplan.sweep/1`, documented in `docs/sweep.md`.
enum SweepJSON {
  static func document(
    _ asked: SweepHead, _ answer: SweepAnswer, _ elapsed: Double
  ) -> JSONValue {
    let points = answer.curve.points
    return .object([
      JSONMember(key: "schema", value: "tpplan.sweep/1"),
      JSONMember(key: "model", value: SearchJSON.model(asked.model)),
      JSONMember(key: "cluster", value: cluster(asked.cluster)),
      JSONMember(key: "workload", value: SearchJSON.workload(asked.workload)),
      JSONMember(key: "counts", value: .array(answer.rows.map { row($0, asked) })),
      JSONMember(key: "baseline", value: points.first.map { .integer($0.devices) } ?? .null),
      JSONMember(key: "knee", value: answer.curve.knee.map(knee) ?? .null),
      JSONMember(key: "elapsed_seconds", value: .number(elapsed)),
    ])
  }

  private static func cluster(_ cluster: Cluster) -> JSONValue {
    .object([
      JSONMember(key: "name", value: .string(cluster.name)),
      JSONMember(key: "devices_per_node", value: .integer(cluster.devicesPerNode)),
    ])
  }

  private static func row(_ row: SweepAnswer.Row, _ asked: SweepHead) -> JSONValue {
    let limit = asked.head(devices: row.devices).limit
    var members = [
      JSONMember(key: "devices", value: .integer(row.devices)),
      JSONMember(key: "memory_limit_bytes", value: limit.map { .integer($0.count) } ?? .null),
      JSONMember(key: "plan", value: plan(row.best?.plan, row)),
      JSONMember(
        key: "plan_text", value: row.best.map { .string(SweepText.name($0.plan)) } ?? .null),
    ]
    members += figures(row.best).map { name, value in
      JSONMember(key: name, value: value.map { .number($0) } ?? .null)
    }
    let gain = row.best?.scaling.gain
    members.append(JSONMember(key: "gain_over", value: gain.map { .integer($0.over) } ?? .null))
    let memory = row.best?.plan.predicted.memory.total
    members.append(
      JSONMember(key: "memory_bytes", value: memory.map { .integer($0.count) } ?? .null))
    if row.best == nil {
      members.append(
        JSONMember(key: "reasons", value: .array(row.reasons.map { SearchJSON.reason($0) })))
      members.append(JSONMember(key: "nearest", value: plan(row.nearest, row)))
    }
    return .object(members)
  }

  private static func plan(_ plan: RankedPlan?, _ row: SweepAnswer.Row) -> JSONValue {
    plan.map { JSONValue(rank: 1, $0.choices, $0.predicted, devices: row.devices) } ?? .null
  }

  private static func figures(_ best: SweepAnswer.Best?) -> [(String, Double?)] {
    [
      ("step_seconds", best?.scaling.step.seconds), ("tokens_per_second", best?.tokensPerSecond),
      ("device_hours_per_billion_tokens", best?.deviceHoursPerBillionTokens),
      ("model_flops_utilization", best?.plan.predicted.utilization),
      ("speedup", best?.scaling.speedup), ("efficiency", best?.scaling.efficiency),
      ("gain", best?.scaling.gain?.fraction),
    ]
  }

  private static func knee(_ knee: ScalingCurve.Knee) -> JSONValue {
    .object([
      JSONMember(key: "devices", value: .integer(knee.devices)),
      JSONMember(
        key: "next_devices", value: knee.next.map { .integer($0.devices) } ?? .null),
      JSONMember(
        key: "next_gain", value: knee.next?.gain.map { .number($0.fraction) } ?? .null),
    ])
  }
}
