import Partitioner
import PlanIR

/// Pipeline stages in words: what each has and does, and a timeline.
enum StageText {
  /// A table of stages with their time, one with their memory, and the timeline.
  static func parts(_ plan: Plan, _ stages: [Explanation.StageExplanation]) -> [String] {
    [times(stages), memory(stages), timeline(plan.predicted.step, stages)]
  }

  private static func times(_ stages: [Explanation.StageExplanation]) -> String {
    var table = Table(
      ["stage", "layers", "recompute", "compute", "exposed comm", "bubble", "optimizer"],
      left: [0, 1, 2])
    for (index, stage) in stages.enumerated() {
      table.add([
        "\(index)", layers(stage), recompute(stage.choice),
        Units.time(stage.breakdown.compute), Units.time(stage.breakdown.communicationExposed),
        Units.time(stage.breakdown.bubble), Units.time(stage.breakdown.optimizer),
      ])
    }
    return table.text
  }

  /// `0 to 3, 8 to 11`.
  private static func layers(_ stage: Explanation.StageExplanation) -> String {
    let ranges = stage.layers.filter { !$0.isEmpty }.map { range in
      range.count == 1
        ? "\(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound - 1)"
    }
    return ranges.isEmpty ? "none" : ranges.joined(separator: ", ")
  }

  private static func recompute(_ choice: StageChoice) -> String {
    let parts = [(choice.recomputeFull, "full"), (choice.recomputeSelective, "selective")]
      .filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
    return parts.isEmpty ? "none" : parts.joined(separator: " + ")
  }

  private static func memory(_ stages: [Explanation.StageExplanation]) -> String {
    var table = Table(
      [
        "memory of stage", "weights", "gradients", "optimizer", "activations", "workspace",
        "framework", "total",
      ], left: [0])
    for (index, stage) in stages.enumerated() {
      let use = stage.memory
      let parts = [
        use.weights, use.gradients, use.optimizer, use.activations, use.workspace, use.framework,
        use.total,
      ]
      table.add(["\(index)"] + parts.map(Units.bytes))
    }
    return table.text
  }

  private static let columns = 96

  /// A line for each stage: a digit where it takes a micro-batch forward, a letter where it takes one
  /// back (a capital for gradients of weights alone), `=` past its last, a dot where it waits.
  private static func timeline(
    _ step: Picoseconds, _ stages: [Explanation.StageExplanation]
  ) -> String {
    // Times saturate: what is added to the longest would overflow.
    let each = max(1, step.count / columns + (step.count % columns > 0 ? 1 : 0))
    let lines = stages.enumerated().map { index, stage in
      let last = stage.spans.last?.end.count ?? 0
      let cells = (0..<columns).map { column -> Character in
        let (begin, isPast) = column.multipliedReportingOverflow(by: each)
        if isPast || begin >= step.count - each / 2 { return " " }
        let instant = begin + each / 2
        if instant >= last { return "=" }
        return stage.spans.first { $0.start.count <= instant && instant < $0.end.count }
          .map { letter($0.operation) } ?? "."
      }
      return "\(index)".padded(to: 5) + String(cells)
    }
    let head =
      "timeline: \(Units.time(Picoseconds(each))) a column; 0-9 a micro-batch forward, a-z back, "
      + "A-Z gradients of weights, = gradients reduced and parameters updated, . waiting"
    return ([head] + lines).joined(separator: "\n")
  }

  private static func letter(_ operation: StageOperation) -> Character {
    func of(_ alphabet: String, _ microBatch: Int) -> Character {
      let letters = Array(alphabet)
      return letters[microBatch % letters.count]
    }
    return switch operation {
    case .forward(let microBatch, _): of("0123456789", microBatch)
    case .backward(let microBatch, _), .inputGradient(let microBatch, _):
      of("abcdefghijklmnopqrstuvwxyz", microBatch)
    case .weightGradient(let microBatch, _): of("ABCDEFGHIJKLMNOPQRSTUVWXYZ", microBatch)
    }
  }
}

extension String {
  fileprivate func padded(to width: Int) -> String {
    self + String(repeating: " ", count: max(1, width - count))
  }
}
