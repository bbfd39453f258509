import Formats
import Partitioner
import PlanIR

/// A plan explained for programs: `tpplan.explain/1`, documented in `docs/answers.md`.
enum ExplainJSON {
  static func document(
    _ plan: Plan, _ explanation: Explanation, against comparison: Comparison?,
    runnersUp: [RunnerUp]?
  ) -> JSONValue {
    let devices = plan.choices.mesh.deviceCount
    var members = [
      JSONMember(key: "schema", value: "tpplan.explain/1"),
      JSONMember(key: "model", value: SearchJSON.model(plan.model)),
      JSONMember(key: "cluster", value: SearchJSON.cluster(plan.cluster, devices: devices)),
      JSONMember(key: "workload", value: SearchJSON.workload(plan.workload)),
      JSONMember(
        key: "plan",
        value: JSONValue(rank: 1, plan.choices, plan.predicted, devices: devices)),
      JSONMember(key: "plan_text", value: .string(PlanText.name(plan.choices))),
      JSONMember(key: "blocks", value: .array(explanation.blocks.map(block))),
      JSONMember(key: "joints", value: .array(explanation.joints.map(joint))),
      JSONMember(key: "stages", value: .array(explanation.stages.map(StageJSON.stage))),
      JSONMember(key: "sources", value: SourceText.value(explanation.sources)),
      JSONMember(key: "cores", value: explanation.cores.map(cores) ?? .null),
    ]
    if let comparison {
      members.append(JSONMember(key: "against", value: against(comparison)))
    }
    if let runnersUp { members += RunnersUpJSON.members(plan.ranked, runnersUp) }
    return .object(members)
  }

  private static func cores(_ cores: Explanation.Cores) -> JSONValue {
    .object([
      JSONMember(key: "count", value: .integer(cores.count)),
      JSONMember(key: "sharing", value: cores.sharing.map { .number($0) } ?? .null),
    ])
  }

  private static func against(_ comparison: Comparison) -> JSONValue {
    let (plan, other) = (comparison.plan, comparison.other)
    let devices = other.choices.mesh.deviceCount
    let step = other.predicted.step - plan.predicted.step
    let memory = other.predicted.memory.total - plan.predicted.memory.total
    return .object(
      [
        JSONMember(
          key: "plan",
          value: JSONValue(rank: 1, other.choices, other.predicted, devices: devices)),
        JSONMember(key: "step_seconds_more", value: .number(step.seconds)),
        JSONMember(key: "memory_bytes_more", value: .integer(memory.count)),
      ] + ThresholdJSON.members(comparison))
  }

  private static func block(_ block: Explanation.BlockExplanation) -> JSONValue {
    .object([
      JSONMember(key: "name", value: .string(block.name)),
      JSONMember(key: "class", value: .string(block.blockClass.rawValue)),
      JSONMember(key: "layout", value: .string(block.layout.rawValue)),
      JSONMember(key: "mesh", value: .string(block.mesh)),
      JSONMember(key: "count", value: .integer(block.count)),
      JSONMember(key: "operands", value: .array(block.operands.map(operand))),
      JSONMember(key: "phases", value: .array(block.phases.map(phase))),
      JSONMember(key: "seconds", value: .number(block.step.seconds)),
      JSONMember(key: "sources", value: SourceText.value(block.sources)),
      JSONMember(key: "total_bytes", value: .integer(block.total.count)),
      JSONMember(key: "alternatives", value: .array(block.alternatives.map(alternative))),
    ])
  }

  private static func joint(_ joint: Explanation.JointExplanation) -> JSONValue {
    .object([
      JSONMember(key: "name", value: .string(joint.name)),
      JSONMember(key: "count", value: .integer(joint.count)),
      JSONMember(key: "phases", value: .array(joint.phases.map(phase))),
    ])
  }

  private static func alternative(_ other: Explanation.Alternative) -> JSONValue {
    .object([
      JSONMember(key: "layout", value: .string(other.layout.rawValue)),
      JSONMember(key: "mesh", value: .string(other.mesh)),
      JSONMember(key: "seconds", value: other.step.map { .number($0.seconds) } ?? .null),
      JSONMember(key: "sources", value: SourceText.value(other.sources)),
      JSONMember(key: "total_bytes", value: .integer(other.total.count)),
      JSONMember(key: "refusal", value: other.refusal.map { .string($0) } ?? .null),
    ])
  }

  private static func operand(_ operand: Explanation.Operand) -> JSONValue {
    .object([
      JSONMember(key: "name", value: .string(operand.name)),
      JSONMember(key: "kind", value: .string(operand.kind)),
      JSONMember(
        key: "dimensions", value: .array(operand.dimensions.map { .string($0.rawValue) })),
      JSONMember(key: "sizes", value: .array(operand.sizes.map { .integer($0) })),
      JSONMember(key: "sharding", value: .string(operand.sharding)),
      JSONMember(key: "device_bytes", value: .integer(operand.deviceBytes.count)),
    ])
  }

  private static func phase(_ phase: Explanation.PhaseExplanation) -> JSONValue {
    .object([
      JSONMember(key: "phase", value: .string(phase.phase.rawValue)),
      JSONMember(key: "kernel_seconds", value: .number(phase.kernels.seconds)),
      JSONMember(key: "kernel_sources", value: SourceText.value(phase.sources)),
      JSONMember(key: "peak_bytes", value: .integer(phase.peak.count)),
      JSONMember(key: "kept_bytes", value: .integer(phase.kept.count)),
      JSONMember(key: "collectives", value: .array(phase.collectives.map(collective))),
    ])
  }

  private static func collective(_ collective: Explanation.CollectiveExplanation) -> JSONValue {
    .object([
      JSONMember(key: "tensor", value: .string(collective.tensor)),
      JSONMember(key: "collective", value: .string(collective.collective)),
      JSONMember(key: "axis", value: .string(collective.axis)),
      JSONMember(key: "level", value: .string(collective.level)),
      JSONMember(key: "total_bytes", value: .integer(collective.total.count)),
      JSONMember(key: "seconds", value: .number(collective.time.seconds)),
      JSONMember(key: "source", value: .string(collective.basis.source.rawValue)),
      JSONMember(
        key: "uncertainty", value: collective.basis.uncertainty.map { .number($0) } ?? .null),
    ])
  }
}
