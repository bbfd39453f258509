import Formats
import Partitioner
import PlanIR

/// How far the choice between two plans holds, for programs: part of `tpplan.explain/1`.
enum ThresholdJSON {
  static func members(_ comparison: Comparison) -> [JSONMember] {
    let cluster = comparison.plan.cluster
    var entries: [JSONValue] = []
    var held: [JSONValue] = []
    var refusal = JSONValue.null
    switch comparison.thresholds {
    case .failure(let reason): refusal = .string("\(reason)")
    case .success(let thresholds):
      entries = self.entries(thresholds, cluster)
      held = thresholds.held.map { .object(quantity($0, cluster)) }
    }
    return [
      JSONMember(
        key: "fits",
        value: [
          "plan": .bool(comparison.plan.fits), "other": .bool(comparison.other.fits),
        ]),
      JSONMember(key: "thresholds", value: .array(entries)),
      JSONMember(key: "holds_whatever", value: .array(held)),
      JSONMember(key: "thresholds_refusal", value: refusal),
    ]
  }

  private static func entries(_ thresholds: Thresholds, _ cluster: Cluster) -> [JSONValue] {
    let then = JSONValue.string(thresholds.winner.opposite.rawValue)
    var entries = thresholds.flips.map { flip in
      JSONValue.object(
        quantity(flip.rate, cluster) + [
          JSONMember(key: "flips_at", value: .number(flip.flipsAt)),
          JSONMember(key: "direction", value: .string(flip.isBelow ? "below" : "above")),
          JSONMember(key: "then", value: then),
        ])
    }
    if let memory = thresholds.leastMemory {
      entries.append([
        "quantity": "memory", "level": nil, "unit": "bytes",
        "present": .integer(cluster.device.memory.count), "flips_at": .integer(memory.count),
        "direction": "below", "then": then,
      ])
    }
    return entries
  }

  private static func quantity(_ rate: ClusterRate, _ cluster: Cluster) -> [JSONMember] {
    let (name, unit, level): (String, String, Int?) =
      switch rate {
      case .bandwidth(let level): ("bandwidth", "bytes/s", level)
      case .latency(let level): ("latency", "seconds", level)
      case .matmulFlops(let bits): ("matmul_flops_\(bits)", "FLOP/s", nil)
      case .memoryBandwidth: ("memory_bandwidth", "bytes/s", nil)
      }
    return [
      JSONMember(key: "quantity", value: .string(name)),
      JSONMember(
        key: "level", value: level.map { .string(cluster.levels[$0].name) } ?? .null),
      JSONMember(key: "unit", value: .string(unit)),
      JSONMember(key: "present", value: .number(rate.value(on: cluster))),
    ]
  }
}
