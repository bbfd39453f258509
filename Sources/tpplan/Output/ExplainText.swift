import Partitioner
import PlanIR

/// A plan explained for people, as a database explains a query: a tree with costs.
enum ExplainText {
  static func text(
    _ plan: Plan, _ explanation: Explanation, against comparison: Comparison?,
    runnersUp: [RunnerUp]?
  ) -> String {
    let devices = plan.choices.mesh.deviceCount
    var parts = [
      HeadText.lines(
        plan.model, plan.cluster, devices: devices, plan.workload,
        limit: plan.cluster.device.memory - plan.cluster.device.reserved),
      "plan         \(PlanText.name(plan.choices)); micro-batch \(plan.choices.microBatch) x "
        + "\(plan.choices.microBatches)",
      PlanText.breakdown(plan.predicted),
      "times        \(SourceText.text(explanation.sources))"
        + (explanation.cores.map { "\ncores        " + cores($0, devices: devices) } ?? ""),
      PlanText.memory(plan.predicted.memory),
      PlanText.communication(plan.predicted.communication, devices: devices),
    ]
    if explanation.stages.count > 1 { parts += StageText.parts(plan, explanation.stages) }
    let marks = explanation.marksSources
    parts += explanation.blocks.map { block($0, marks) }
    parts += explanation.joints.map { joint($0, marks) }
    if let runnersUp { parts.append(RunnersUpText.text(plan.ranked, runnersUp)) }
    if let comparison { parts.append(difference(comparison)) }
    return parts.joined(separator: "\n\n")
  }

  /// `2 for 4 threads, which take 1.12x as long for sharing them (measured)`.
  private static func cores(_ cores: Explanation.Cores, devices: Int) -> String {
    let sharing = cores.sharing.map {
      "which take \(Units.ratio($0)) as long for sharing them (measured)"
    }
    return "\(cores.count) for \(devices) threads, "
      + (sharing ?? "how much longer they take for sharing them is not measured")
  }

  private static func block(
    _ block: Explanation.BlockExplanation, _ marks: Bool
  ) -> String {
    var lines = [
      "block \(block.name) x \(block.count), layout \(block.layout.rawValue): \(block.mesh)"
    ]
    var operands = Table(
      ["  stored", "kind", "dimensions", "sharding", "one device"], left: [0, 1, 2, 3])
    for operand in block.operands {
      let dimensions = zip(operand.dimensions, operand.sizes).map { "\($0.rawValue) \($1)" }
      operands.add([
        "  " + operand.name, operand.kind, dimensions.joined(separator: " x "), operand.sharding,
        Units.bytes(operand.deviceBytes),
      ])
    }
    lines.append(operands.text)
    for phase in block.phases { lines += self.phase(phase, marks) }
    lines.append(alternatives(block, marks))
    return lines.joined(separator: "\n")
  }

  private static func joint(
    _ joint: Explanation.JointExplanation, _ marks: Bool
  ) -> String {
    let head = "joint \(joint.name) x \(joint.count): the stream resharded"
    return ([head] + joint.phases.flatMap { phase($0, marks) }).joined(separator: "\n")
  }

  /// What the block would cost under each layout.
  private static func alternatives(
    _ block: Explanation.BlockExplanation, _ marks: Bool
  ) -> String {
    var table = Table(
      ["  all \(block.count) under", "mesh", "time a step", "", "all devices send", ""],
      left: [0, 1, 5])
    func source(_ sources: SourcedTime) -> String { marks ? SourceText.text(sources) : "" }
    table.add([
      "  this plan", "", Units.time(block.step), "", Units.bytes(block.total),
      source(block.sources),
    ])
    let own = block.step
    for other in block.alternatives {
      guard let step = other.step else {
        table.add(["  " + other.layout.rawValue, "", "", "", "", "no: " + (other.refusal ?? "")])
        continue
      }
      let ratio = own > .zero ? Units.ratio(step.seconds / own.seconds) : ""
      table.add([
        "  " + other.layout.rawValue, other.mesh, Units.time(step), ratio, Units.bytes(other.total),
        [
          source(other.sources),
          other.layout == block.layout ? "best mesh of the plan's layout" : "",
        ].filter { !$0.isEmpty }.joined(separator: "; "),
      ])
    }
    return table.text
  }

  private static func phase(
    _ phase: Explanation.PhaseExplanation, _ marks: Bool
  ) -> [String] {
    let communication = phase.collectives.reduce(into: SourcedTime()) { $0.add($1.time, $1.basis) }
    let kept = phase.kept
    let change =
      kept >= .zero ? "keeps \(Units.bytes(kept))" : "frees \(Units.bytes(.zero - kept))"
    var lines = [
      "  \(phase.phase.rawValue): kernels \(Units.time(phase.kernels))"
        + "\(SourceText.mark(phase.sources, isShown: marks)), "
        + "communication \(Units.time(communication.total))"
        + "\(SourceText.mark(communication, isShown: marks)), peak +\(Units.bytes(phase.peak)), \(change)"
    ]
    for collective in phase.collectives {
      lines.append(
        "    \(collective.collective) of \(collective.tensor) over \(collective.axis) "
          + "(\(collective.level)): \(Units.bytes(collective.total)) in all, "
          + Units.time(collective.time) + (marks ? " (\(SourceText.text(collective.basis)))" : ""))
    }
    return lines
  }

  /// Where two plans differ, the difference of each part of the step, and how far the choice holds.
  private static func difference(_ comparison: Comparison) -> String {
    let (plan, other) = (comparison.plan, comparison.other)
    var lines = [
      "against      \(PlanText.name(other.choices)); micro-batch \(other.choices.microBatch) x "
        + "\(other.choices.microBatches)"
    ]
    lines.append(
      "             the other is \(PlanText.whyLost(other.ranked, against: plan.ranked))")
    let memory = other.predicted.memory.total - plan.predicted.memory.total
    let sign = memory < .zero ? "-" : "+"
    lines.append(
      "             its peak memory is \(sign)\(Units.bytes(Bytes(memory.count.magnitude.asInt)))")
    lines += ThresholdText.lines(comparison).map { "             \($0)" }
    return lines.joined(separator: "\n")
  }
}

extension Plan {
  /// Its choices and what they cost.
  var ranked: RankedPlan { RankedPlan(choices: choices, predicted: predicted) }
}

extension UInt {
  fileprivate var asInt: Int { Int(self) }
}
