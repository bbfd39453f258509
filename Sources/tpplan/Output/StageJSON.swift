import Formats
import Partitioner
import PlanIR

/// Pipeline stages for programs, documented in `docs/answers.md`.
enum StageJSON {
  static func stage(_ stage: Explanation.StageExplanation) -> JSONValue {
    .object([
      JSONMember(
        key: "layers",
        value: .array(
          stage.layers.map { .array([.integer($0.lowerBound), .integer($0.upperBound)]) })
      ),
      JSONMember(
        key: "recompute",
        value: .object([
          JSONMember(key: "none", value: .integer(stage.choice.recomputeNone)),
          JSONMember(key: "selective", value: .integer(stage.choice.recomputeSelective)),
          JSONMember(key: "full", value: .integer(stage.choice.recomputeFull)),
        ])),
      JSONMember(key: "breakdown", value: JSONValue(stage.breakdown)),
      JSONMember(key: "memory", value: JSONValue(stage.memory)),
      JSONMember(key: "timeline", value: .array(stage.spans.map(span))),
    ])
  }

  /// What a stage does, from when to when.
  private static func span(_ span: StageClock.Span) -> JSONValue {
    let (name, microBatch, chunk) = span.operation.parts
    return .object([
      JSONMember(key: "operation", value: .string(name)),
      JSONMember(key: "micro_batch", value: .integer(microBatch)),
      JSONMember(key: "chunk", value: .integer(chunk)),
      JSONMember(key: "start_seconds", value: .number(span.start.seconds)),
      JSONMember(key: "end_seconds", value: .number(span.end.seconds)),
    ])
  }
}

extension StageOperation {
  /// Its name in answers and traces, and what it is of.
  var parts: (name: String, microBatch: Int, chunk: Int) {
    switch self {
    case .forward(let microBatch, let chunk): ("forward", microBatch, chunk)
    case .backward(let microBatch, let chunk): ("backward", microBatch, chunk)
    case .inputGradient(let microBatch, let chunk): ("input-gradient", microBatch, chunk)
    case .weightGradient(let microBatch, let chunk): ("weight-gradient", microBatch, chunk)
    }
  }
}
