package import PlanIR

/// What a stage does next: a pass of one micro-batch through one of its chunks.
package enum StageOperation: Hashable, Sendable {
  case forward(microBatch: Int, chunk: Int)
  /// Both gradients, layer by layer.
  case backward(microBatch: Int, chunk: Int)
  /// Gradients of inputs alone, that the stage before waits for.
  case inputGradient(microBatch: Int, chunk: Int)
  /// Gradients of weights alone, which nobody waits for.
  case weightGradient(microBatch: Int, chunk: Int)
}

/// The orders in which stages take micro-batches.
///
/// - `none`: one stage, forward and backward of each micro-batch in turn.
/// - `gpipe`: all forward, then all backward, the last first (Huang et al., GPipe, 2019, figure 2).
/// - `1f1b`: a stage starts as many micro-batches as there are stages after it, then alternates, so that
///   at most `stages - stage` are in flight (Narayanan et al., PipeDream-Flush, 2021).
/// - `interleaved`: the same over chunks, groups of `stages` micro-batches passing a chunk at a time
///   (Narayanan et al., Efficient Large-Scale Language Model Training, 2021, section 2.2).
/// - `zb-h1`: 1f1b whose gradients of weights are put off, on stage p by p micro-batches, to where
///   the stage would wait; as many micro-batches are held as by the first stage of 1f1b (Qi et al.,
///   Zero Bubble Pipeline Parallelism, 2023, section 2.1).
package struct PipelineOrder: Hashable, Sendable {
  package let schedule: PipelineSchedule
  package let stages, chunks, microBatches: Int

  /// The order of a plan.
  package init(_ choices: PlanChoices) {
    self.init(
      schedule: choices.schedule, stages: choices.stages.count, chunks: choices.interleave,
      microBatches: choices.microBatches)
  }

  package init(schedule: PipelineSchedule, stages: Int, chunks: Int, microBatches: Int) {
    self.schedule = schedule
    self.stages = stages
    self.chunks = chunks
    self.microBatches = microBatches
  }

  /// What `stage` does, in order.
  package func operations(of stage: Int) -> [StageOperation] {
    switch schedule {
    case .none: alternating(warmUp: 0)
    case .gpipe: allThenAll
    case .oneForwardOneBackward: alternating(warmUp: stages - 1 - stage)
    case .interleaved: interleaved(stage)
    case .zeroBubble: zeroBubble(stage)
    }
  }

  /// The same of as many micro-batches as it takes until what stages hold repeats itself.
  var settled: PipelineOrder {
    guard schedule != .gpipe, stages > 1, microBatches > 4 * stages else { return self }
    return PipelineOrder(
      schedule: schedule, stages: stages, chunks: chunks, microBatches: 4 * stages)
  }

  private var allThenAll: [StageOperation] {
    (0..<microBatches).map { .forward(microBatch: $0, chunk: 0) }
      + (0..<microBatches).reversed().map { .backward(microBatch: $0, chunk: 0) }
  }

  private func alternating(warmUp: Int) -> [StageOperation] {
    let ahead = min(warmUp, microBatches)
    var operations = (0..<ahead).map { StageOperation.forward(microBatch: $0, chunk: 0) }
    for microBatch in 0..<microBatches {
      if microBatch + ahead < microBatches {
        operations.append(.forward(microBatch: microBatch + ahead, chunk: 0))
      }
      operations.append(.backward(microBatch: microBatch, chunk: 0))
    }
    return operations
  }

  /// Passes are numbered through: `stages` micro-batches in each chunk in turn, then the next ones.
  private func interleaved(_ stage: Int) -> [StageOperation] {
    let total = microBatches * chunks
    let ahead =
      microBatches == stages ? total : min(2 * (stages - 1 - stage) + (chunks - 1) * stages, total)
    var (forwards, backwards) = (InterleavedPasses(self), InterleavedPasses(self))
    var operations: [StageOperation] = []
    operations.reserveCapacity(2 * total)
    func forward() -> StageOperation {
      let pass = forwards.next()
      return .forward(microBatch: pass.microBatch, chunk: pass.chunk)
    }
    for _ in 0..<ahead { operations.append(forward()) }
    for number in 0..<total {
      if number + ahead < total { operations.append(forward()) }
      let pass = backwards.next()
      operations.append(
        .backward(microBatch: pass.microBatch, chunk: chunks - 1 - pass.chunk))
    }
    return operations
  }

  private func zeroBubble(_ stage: Int) -> [StageOperation] {
    let ahead = min(stages - 1 - stage, microBatches)
    var operations = (0..<ahead).map { StageOperation.forward(microBatch: $0, chunk: 0) }
    var weights = 0
    for microBatch in 0..<microBatches {
      if microBatch + ahead < microBatches {
        operations.append(.forward(microBatch: microBatch + ahead, chunk: 0))
      }
      operations.append(.inputGradient(microBatch: microBatch, chunk: 0))
      if microBatch >= stage {
        operations.append(.weightGradient(microBatch: weights, chunk: 0))
        weights += 1
      }
    }
    for microBatch in weights..<microBatches {
      operations.append(.weightGradient(microBatch: microBatch, chunk: 0))
    }
    return operations
  }
}

/// The passes of an interleaved order, one after another: `stages` micro-batches in each chunk in turn, then the next
/// ones.
private struct InterleavedPasses {
  private let stages, chunks: Int
  private var first = 0
  private var chunk = 0
  private var place = 0

  init(_ order: PipelineOrder) { (stages, chunks) = (order.stages, order.chunks) }

  mutating func next() -> (microBatch: Int, chunk: Int) {
    let pass = (first + place, chunk)
    place += 1
    if place == stages {
      place = 0
      chunk += 1
      if chunk == chunks { (chunk, first) = (0, first + stages) }
    }
    return pass
  }
}

extension PipelineOrder {
  /// Whether `choices` name a schedule for their stages that can be.
  static func check(_ choices: PlanChoices) throws(ConstraintViolation) {
    let stages = choices.stages.count
    guard stages == choices.degree("pipeline") else {
      throw ConstraintViolation(
        constraint: "as many stages as the mesh's pipeline axis has", found: "\(stages)",
        needed: "\(choices.degree("pipeline"))", remedy: "--pipeline \(stages)")
    }
    guard (stages > 1) == (choices.schedule != .none) else {
      throw ConstraintViolation(
        constraint: "a schedule where there are stages, and only there",
        found: "schedule \(choices.schedule.rawValue), \(stages) stages",
        needed: stages > 1 ? "gpipe, 1f1b, interleaved or zb-h1" : "none",
        remedy: stages > 1
          ? "--schedule 1f1b" : "no --schedule and no --interleave, or --pipeline 2")
    }
    try checkInterleave(choices, stages)
  }

  private static func checkInterleave(
    _ choices: PlanChoices, _ stages: Int
  ) throws(ConstraintViolation) {
    let isInterleaved = choices.schedule == .interleaved
    guard isInterleaved == (choices.interleave > 1) else {
      throw ConstraintViolation(
        constraint: "interleaving of two chunks or more, by schedule interleaved",
        found: "schedule \(choices.schedule.rawValue), interleave \(choices.interleave)",
        needed: isInterleaved ? "interleave 2 or more" : "interleave 1",
        remedy: isInterleaved ? "--interleave 2" : "--schedule interleaved")
    }
    guard isInterleaved, choices.microBatches % stages != 0 else { return }
    throw .unevenRounds(
      choices.microBatches, stages: stages,
      remedy: "another --micro-batch or --global-batch, or --schedule 1f1b without --interleave")
  }
}

extension ConstraintViolation {
  /// Micro-batches that do not go through interleaved stages in rounds of as many as there are stages.
  static func unevenRounds(
    _ microBatches: Int, stages: Int, remedy: String
  ) -> ConstraintViolation {
    ConstraintViolation(
      constraint: "interleaved micro-batches divisible by stages",
      found: "\(microBatches) micro-batches over \(stages) stages",
      needed: "a multiple of \(stages)", remedy: remedy)
  }
}
