import Formats
import Partitioner
import PlanIR

/// The runners-up of a plan for programs: part of `tpplan.explain/1`.
enum RunnersUpJSON {
  static func members(_ plan: RankedPlan, _ runnersUp: [RunnerUp]) -> [JSONMember] {
    [
      JSONMember(key: "runners_up", value: .array(runnersUp.map { entry(plan, $0) })),
      JSONMember(key: "why", value: .string(WhySentence.text(plan, runnersUp))),
    ]
  }

  private static func entry(_ plan: RankedPlan, _ other: RunnerUp) -> JSONValue {
    let (own, theirs) = (plan.predicted, other.plan.predicted)
    let devices = other.plan.choices.mesh.deviceCount
    return .object([
      JSONMember(key: "decision", value: .string(other.decision.rawValue)),
      JSONMember(key: "fits", value: .bool(other.fits)),
      JSONMember(
        key: "plan", value: JSONValue(rank: 1, other.plan.choices, theirs, devices: devices)),
      JSONMember(key: "plan_text", value: .string(PlanText.name(other.plan.choices))),
      JSONMember(key: "step_seconds_more", value: .number((theirs.step - own.step).seconds)),
      JSONMember(key: "breakdown_more", value: JSONValue(other.more(than: plan))),
      JSONMember(
        key: "memory_bytes_more", value: .integer((theirs.memory.total - own.memory.total).count)),
    ])
  }
}
