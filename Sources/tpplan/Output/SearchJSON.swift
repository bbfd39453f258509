import Formats
import Partitioner
import PlanIR

/// A search's answer for programs: `tpplan.search/1`.
enum SearchJSON {
  static func document(
    _ asked: SearchHead, _ answer: SearchAnswer, _ plans: [RankedPlan], _ elapsed: Double
  ) -> JSONValue {
    let devices = asked.devices
    var members = [
      JSONMember(key: "schema", value: "tpplan.search/1"),
      JSONMember(key: "model", value: model(asked.model)),
      JSONMember(key: "cluster", value: cluster(asked.cluster, devices: devices)),
      JSONMember(key: "workload", value: workload(asked.workload)),
      JSONMember(
        key: "plans",
        value: .array(
          plans.enumerated().map { rank, plan in
            JSONValue(rank: rank + 1, plan.choices, plan.predicted, devices: devices)
          })),
      JSONMember(
        key: "best_of_layouts",
        value: .array(
          answer.bestOfLayouts.enumerated().map { rank, plan in
            JSONValue(rank: rank + 1, plan.choices, plan.predicted, devices: devices)
          })),
      JSONMember(key: "space", value: space(answer.space)),
      JSONMember(key: "elapsed_seconds", value: .number(elapsed)),
    ]
    if plans.isEmpty {
      members.append(
        JSONMember(key: "reasons", value: .array(answer.reasons.map { reason($0) })))
      let nearest = answer.nearest.map {
        JSONValue(rank: 1, $0.choices, $0.predicted, devices: devices)
      }
      members.append(JSONMember(key: "nearest", value: nearest ?? .null))
    }
    return .object(members)
  }

  static func reason(_ violation: ConstraintViolation) -> JSONValue {
    .object([
      JSONMember(key: "constraint", value: .string(violation.constraint)),
      JSONMember(key: "found", value: .string(violation.found)),
      JSONMember(key: "needed", value: .string(violation.needed)),
      JSONMember(key: "try", value: .string(violation.remedy)),
    ])
  }

  static func model(_ model: Model) -> JSONValue {
    let sizes = model.sizes
    return .object([
      JSONMember(key: "name", value: .string(model.name)),
      JSONMember(key: "family", value: .string(model.family)),
      JSONMember(key: "parameters", value: .integer(model.parameterCount)),
      JSONMember(key: "layers", value: .integer(model.layers)),
      JSONMember(key: "hidden", value: .integer(sizes[.hidden])),
      JSONMember(key: "heads", value: .integer(sizes[.heads])),
      JSONMember(key: "key_value_heads", value: .integer(sizes[.keyValueHeads])),
      JSONMember(key: "ffn", value: .integer(sizes[.wide])),
      JSONMember(key: "vocabulary", value: .integer(sizes[.vocabulary])),
    ])
  }

  static func cluster(_ cluster: Cluster, devices: Int) -> JSONValue {
    .object([
      JSONMember(key: "name", value: .string(cluster.name)),
      JSONMember(key: "devices", value: .integer(devices)),
      JSONMember(key: "devices_per_node", value: .integer(cluster.devicesPerNode)),
      JSONMember(key: "memory_bytes", value: .integer(cluster.device.memory.count)),
    ])
  }

  static func workload(_ workload: Workload) -> JSONValue {
    .object([
      JSONMember(key: "global_batch", value: .integer(workload.globalBatch)),
      JSONMember(key: "sequence", value: .integer(workload.sequence)),
      JSONMember(key: "precision", value: .string(workload.precision.rawValue)),
      JSONMember(key: "optimizer", value: .string(workload.optimizer.rawValue)),
      JSONMember(key: "attention", value: .string(workload.attention.rawValue)),
      JSONMember(key: "dropout", value: .number(workload.dropout)),
    ])
  }

  private static func space(_ space: SearchAnswer.Space) -> JSONValue {
    .object([
      JSONMember(key: "candidates", value: .integer(space.candidates)),
      JSONMember(key: "evaluated", value: .integer(space.evaluated)),
      JSONMember(key: "pruned", value: .integer(space.pruned)),
      JSONMember(key: "infeasible", value: .integer(space.infeasible)),
    ])
  }
}
