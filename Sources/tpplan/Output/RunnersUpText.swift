import Partitioner
import PlanIR

/// The runners-up of a plan for people.
enum RunnersUpText {
  static func text(_ plan: RankedPlan, _ runnersUp: [RunnerUp]) -> String {
    var table = Table(
      ["the best plan of another", "", "micro-batch", "step", "", "what it takes more"],
      left: [0, 1, 5])
    for other in runnersUp {
      let choices = other.plan.choices
      let change = other.plan.predicted.step.seconds / plan.predicted.step.seconds - 1
      table.add([
        other.decision.text, PlanText.name(choices),
        "\(choices.microBatch) x \(choices.microBatches)",
        other.fits ? Units.time(other.plan.predicted.step) : "",
        other.fits ? Units.change(change) : "",
        other.fits ? more(other, plan) : "does not fit: needs \(memory(other))",
      ])
    }
    let why = "why          " + WhySentence.text(plan, runnersUp)
    return runnersUp.isEmpty ? why : table.text + "\n\n" + why
  }

  private static func memory(_ other: RunnerUp) -> String {
    Units.bytes(other.plan.predicted.memory.total)
  }

  /// `exposed communication +1.100 s, bubble -300.00 ms`, or of equal steps the memory.
  private static func more(_ other: RunnerUp, _ plan: RankedPlan) -> String {
    let parts = other.parts(beyond: plan).map { name, time in
      "\(name) \(time > .zero ? "+" : "-")\(Units.seconds(time.seconds.magnitude))"
    }
    guard parts.isEmpty else { return parts.joined(separator: ", ") }
    let memory = other.plan.predicted.memory.total - plan.predicted.memory.total
    return memory == .zero
      ? "nothing" : "memory \(memory > .zero ? "+" : "")\(Units.bytes(memory))"
  }
}

extension RunnerUp {
  /// The parts of its step that differ from those of `other`, those that take most more first.
  func parts(beyond other: RankedPlan) -> [(name: String, time: Picoseconds)] {
    PlanText.differences(from: other.predicted, to: plan.predicted).sorted { $0.time > $1.time }
  }
}

extension PlanDecision {
  /// What is decided, in words.
  var text: String {
    switch self {
    case .layout: "layout"
    case .pipeline: "number of stages"
    case .context: "context degree"
    case .data: "number of replicas"
    case .microBatch: "micro-batch"
    case .schedule: "schedule"
    case .recompute: "recomputation"
    case .zero: "sharding"
    case .sequenceParallel: "sequence parallelism"
    }
  }
}
