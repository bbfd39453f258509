import Partitioner
import PlanIR

/// Plans in words.
enum PlanText {
  /// The choices in which plans of a search differ, in short.
  static func name(_ choices: PlanChoices) -> String {
    var parts = [choices.layout.rawValue]
    if choices.layout == .mixed { parts[0] += " (\(mixture(choices)))" }
    parts += choices.mesh.axes.map { axis in
      switch axis.name {
      case "pipeline": "pipeline \(axis.size) \(schedule(choices))"
      case "context" where choices.contextAttention == .ring: "context \(axis.size) ring"
      default: "\(axis.name) \(axis.size)"
      }
    }
    if choices.sequenceParallel { parts.append("sequence parallel") }
    if choices.matmul == .stepped { parts.append("stepped") }
    parts += gathers(choices)
    if choices.keyValue == .gathered { parts.append("key/value gathered") }
    if choices.tableForm != .gathered { parts.append("table \(choices.tableForm.rawValue)") }
    let isAlone = choices.degree("pipeline") == 1
    if choices.tableGradients == .apart && isAlone { parts.append("table gradients apart") }
    if choices.zero > 0 { parts.append("zero \(choices.zero)") }
    let others = choices.weightsOver.filter { $0 != "data" }
    if !others.isEmpty { parts.append("weights over \(others.joined(separator: "+"))") }
    if choices.recompute != .none { parts.append(recompute(choices)) }
    if let inside = placement(choices) { parts.append(inside) }
    return parts.joined(separator: ", ")
  }

  /// `1f1b`, or `interleaved x 2`.
  private static func schedule(_ choices: PlanChoices) -> String {
    let chunks = choices.interleave > 1 ? " x \(choices.interleave)" : ""
    return choices.schedule.rawValue + chunks
  }

  /// `recompute full`, or of a mixture the layers of each stage.
  private static func recompute(_ choices: PlanChoices) -> String {
    guard choices.recompute == .mixed else { return "recompute \(choices.recompute.rawValue)" }
    let stages = choices.stages.map { stage in
      let parts = [
        (stage.recomputeFull, "full"), (stage.recomputeSelective, "selective"),
        (stage.recomputeNone, "none"),
      ]
      return parts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: " + ")
    }
    return "recompute " + stages.joined(separator: " | ")
  }

  /// What is gathered again; nothing where all that is gathered is saved.
  private static func gathers(_ choices: PlanChoices) -> [String] {
    switch (choices.gathersInputs, choices.gathersWeights) {
    case (.saved, .saved): choices.sequenceParallel ? ["inputs saved"] : []
    case (.again, .saved): ["inputs again"]
    case (.saved, .again): ["weights again"]
    case (.again, .again): ["inputs and weights again"]
    }
  }

  private static func mixture(_ choices: PlanChoices) -> String {
    let parts = BlockClass.allCases.map { blockClass in
      let shape = choices.blockMeshes[blockClass, default: []].map(String.init)
      return "\(blockClass.rawValue) \((choices.blocks[blockClass] ?? .mixed).rawValue) "
        + shape.joined(separator: "x")
    }
    return parts.joined(separator: ", ")
  }

  /// How axes lie inside nodes, where not as the mesh numbers its devices.
  private static func placement(_ choices: PlanChoices) -> String? {
    let perNode = choices.placement.reduce(1) { $0 * $1.insideNode }
    guard choices.placement != Placement.innermostFirst(choices.mesh, perNode: perNode) else {
      return nil
    }
    let inside = choices.placement.filter { $0.insideNode > 1 }
      .map { "\($0.axis) \($0.insideNode)" }
    return "inside a node " + inside.joined(separator: " x ")
  }

  static func table(_ plans: [RankedPlan]) -> String {
    var table = Table(
      ["", "plan", "micro-batch", "step", "utilization", "compute", "exposed comm", "memory"],
      left: [1])
    for (rank, plan) in plans.enumerated() {
      let predicted = plan.predicted
      table.add([
        "\(rank + 1)", name(plan.choices),
        "\(plan.choices.microBatch) x \(plan.choices.microBatches)", Units.time(predicted.step),
        Units.percent(predicted.utilization), Units.time(predicted.breakdown.compute),
        Units.time(predicted.breakdown.communicationExposed),
        Units.bytes(predicted.memory.total),
      ])
    }
    return table.text
  }

  /// How much longer each part of the step is in `second` than in `first`; those that differ.
  static func differences(
    from first: Prediction, to second: Prediction
  ) -> [(name: String, time: Picoseconds)] {
    let (a, b) = (first.breakdown, second.breakdown)
    return [
      ("compute", b.compute - a.compute),
      ("exposed communication", b.communicationExposed - a.communicationExposed),
      ("bubble", b.bubble - a.bubble), ("optimizer", b.optimizer - a.optimizer),
    ].filter { $0.1 != .zero }
  }

  /// Why `loser` is not `winner`: the parts of the step in which it is slower, largest first.
  static func whyLost(_ loser: RankedPlan, against winner: RankedPlan) -> String {
    let (a, b) = (winner.predicted, loser.predicted)
    let differences = differences(from: a, to: b).sorted { $0.time > $1.time }
    let parts = differences.map { name, time in
      (time > .zero ? "+" : "-") + Units.seconds(time.seconds.magnitude) + " " + name
    }
    let slower = a.step > .zero ? (b.step.seconds / a.step.seconds - 1) : 0
    if b.step == a.step {
      let more = b.memory.total - a.memory.total
      return more == .zero
        ? "equal in time and memory" : "equal in time, \(Units.bytes(more)) more memory"
    }
    let total =
      slower >= 0
      ? "\(Units.percent(slower)) slower"
      : "\(Units.percent(-slower)) faster"
        + (b.memory.total > a.memory.total ? ", but needs more memory" : "")
    return "\(total): \(parts.joined(separator: ", "))"
  }

  static func memory(_ memory: MemoryUse) -> String {
    var table = Table(["memory at the peak", "one device"])
    for (name, bytes) in [
      ("weights", memory.weights), ("gradients", memory.gradients),
      ("optimizer", memory.optimizer), ("activations", memory.activations),
      ("workspace", memory.workspace), ("framework", memory.framework),
      ("total", memory.total),
    ] { table.add([name, Units.bytes(bytes)]) }
    return table.text
  }

  static func communication(_ traffic: [Prediction.Traffic], devices: Int) -> String {
    guard !traffic.isEmpty else { return "communication: none" }
    var table = Table(
      ["axis", "collective", "all devices", "one device", "time a step", "exposed"], left: [0, 1])
    for entry in traffic {
      table.add([
        entry.axis, entry.collective, Units.bytes(entry.total),
        Units.bytes(Double(entry.total.count) / Double(devices)), Units.time(entry.time),
        Units.time(entry.exposed),
      ])
    }
    return table.text
  }

  static func breakdown(_ predicted: Prediction) -> String {
    let parts = predicted.breakdown
    var table = Table(["step", Units.time(predicted.step), ""])
    for (name, time) in [
      ("compute", parts.compute), ("exposed communication", parts.communicationExposed),
      ("bubble", parts.bubble), ("optimizer", parts.optimizer),
    ] {
      let share = predicted.step > .zero ? time.seconds / predicted.step.seconds : 0
      table.add(["  " + name, Units.time(time), Units.percent(share)])
    }
    return table.text
  }
}
