import Partitioner
import PlanIR

/// Why a plan is the one to take, in one sentence: the closest plan of another layout, or else of another
/// kind, and the part of the step by which it loses most.
///
/// `megatron over 4 of a node's devices, 8 stages: the next layout, stationary 2x2, takes 3.2 % longer, for
/// exposed communication`
enum WhySentence {
  static func text(_ plan: RankedPlan, _ runnersUp: [RunnerUp]) -> String {
    let subject = subject(plan.choices)
    guard let closest = closest(runnersUp) else { return "\(subject): nothing else fits" }
    let layout = runnersUp.first { $0.decision == .layout && !$0.fits }
    let other = layout.map {
      "no other layout fits, \($0.value) needs \(Units.bytes($0.plan.predicted.memory.total)); "
    }
    return "\(subject): \(other ?? "")\(name(closest)) \(verdict(closest, plan))"
  }

  /// That of another layout where it fits, else the fastest; of equal ones the first.
  private static func closest(_ runnersUp: [RunnerUp]) -> RunnerUp? {
    let fitting = runnersUp.filter(\.fits)
    return fitting.first { $0.decision == .layout }
      ?? fitting.min { $0.plan.predicted.step < $1.plan.predicted.step }
  }

  /// `megatron over 4 of a node's devices, 8 stages, 2 replicas`; of a mesh of replicas alone, which is hybrid sharding,
  /// `8 stages, 2 copies of what 16 replicas share`.
  private static func subject(_ choices: PlanChoices) -> String {
    var parts: [String] = []
    let tensor = choices.tensorDegree
    if tensor > 1 && !choices.holdsCopies {
      parts.append("\(choices.layout.rawValue) over \(tensor) \(place(choices))")
    }
    for (axis, unit) in [("context", "parts of the sequence"), ("pipeline", "stages")]
    where choices.degree(axis) > 1 { parts.append("\(choices.degree(axis)) \(unit)") }
    let replicas = choices.degree("data")
    if choices.holdsCopies {
      parts.append(copies(choices))
    } else if replicas > 1 {
      parts.append("\(replicas) replicas")
    }
    return parts.isEmpty ? "one device" : parts.joined(separator: ", ")
  }

  /// Who of replicas on the data axis and on the mesh shares what: `2 copies of what 16 replicas share`; `32 replicas`
  /// where none do, or all.
  private static func copies(_ choices: PlanChoices) -> String {
    let (data, own) = (choices.degree("data"), choices.tensorDegree)
    let sharesOverMesh = choices.weightsOver.contains { choices.replicaAxes.contains($0) }
    let sharesOverData = data > 1 && choices.zero > 0
    return switch (sharesOverData, sharesOverMesh) {
    case (true, false): "\(own) copies of what \(data) replicas share"
    case (false, true) where data > 1: "\(data) copies of what \(own) replicas share"
    default: "\(data * own) replicas"
    }
  }

  /// Whether a tensor mesh lies in a node.
  private static func place(_ choices: PlanChoices) -> String {
    let outer = ["data", "pipeline", "context"]
    let isInside = choices.placement.allSatisfy {
      outer.contains($0.axis) || $0.acrossNodes == 1
    }
    return isInside ? "of a node's devices" : "devices of several nodes"
  }

  private static func name(_ other: RunnerUp) -> String {
    switch other.decision {
    case .sequenceParallel: "the same \(other.value) sequence parallelism"
    case .layout, .pipeline, .context, .data, .microBatch, .schedule, .recompute, .zero:
      "the next \(other.decision.text), \(other.value),"
    }
  }

  private static func verdict(_ other: RunnerUp, _ plan: RankedPlan) -> String {
    let more = other.plan.predicted.step - plan.predicted.step
    let parts = other.parts(beyond: plan)
    let most = more < .zero ? parts.last : parts.first
    guard more != .zero, let most else {
      let memory = other.plan.predicted.memory.total - plan.predicted.memory.total
      let sizes = Units.bytes(memory < .zero ? .zero - memory : memory)
      return memory == .zero
        ? "takes and holds as much"
        : "takes as long and holds \(sizes) \(memory < .zero ? "less" : "more")"
    }
    let share = Units.share(more.seconds.magnitude / plan.predicted.step.seconds)
    return "takes \(share) \(more < .zero ? "less" : "longer"), for \(most.name)"
  }
}

extension RunnerUp {
  /// What it decides, in short: `stationary 2x2`, `1f1b`, `zero 0`.
  fileprivate var value: String {
    let choices = plan.choices
    return switch decision {
    case .layout: layout
    case .pipeline, .context, .data: "\(choices.degree(decision.rawValue))"
    case .microBatch: "\(choices.microBatch)"
    case .schedule: choices.schedule.rawValue
    case .recompute: choices.recompute.rawValue
    case .zero: "zero \(choices.zero)"
    case .sequenceParallel: choices.sequenceParallel ? "with" : "without"
    }
  }

  /// `stationary 2x2`, `mixed of 3d and summa`.
  private var layout: String {
    let choices = plan.choices
    let outer = ["data", "pipeline", "context"]
    guard choices.layout != .mixed else {
      let names = Set(choices.blocks.values).sorted().map(\.rawValue)
      return "mixed of " + names.joined(separator: " and ")
    }
    let sizes = choices.mesh.axes.filter { !outer.contains($0.name) }.map { "\($0.size)" }
    return ([choices.layout.rawValue] + [sizes.joined(separator: "x")])
      .filter { !$0.isEmpty }.joined(separator: " ")
  }
}
