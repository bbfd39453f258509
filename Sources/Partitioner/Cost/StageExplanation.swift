package import PlanIR

extension Explanation {
  /// One pipeline stage, or the only one.
  package struct StageExplanation: Sendable {
    /// The layers of each of its chunks.
    package var layers: [Range<Int>]
    package var choice: StageChoice
    /// Where the step's time goes on this stage; the sum is the step.
    package var breakdown: Prediction.Breakdown
    /// What is live at its fullest instant.
    package var memory: MemoryUse
    /// What it does when, up to the reduction of gradients; empty of one stage.
    package var spans: [StageClock.Span]
  }
}

extension Pricing {
  /// Each stage's time and memory.
  func stages(
    of choices: PlanChoices, _ cost: any CostModel
  ) -> [Explanation.StageExplanation] {
    let time = stepTime(cost)
    let peaks = memory.peaks()
    let timeline = time.timeline
    let spans = time.clock?.spans.map { $0.map { $0.shared(timeline) } }
    return choices.stages.indices.map { stage in
      var use = peaks[stage]
      use.framework = frameworkMemory
      return Explanation.StageExplanation(
        layers: (0..<map.chunks).map { map.layers[map.virtualStage(stage, chunk: $0)] },
        choice: choices.stages[stage], breakdown: breakdown(of: stage, in: time, cost),
        memory: use, spans: spans?[stage] ?? [])
    }
  }
}

extension StageClock.Span {
  /// When it is on shared cores; the same where `timeline` is nil.
  fileprivate func shared(_ timeline: SharedTimeline?) -> StageClock.Span {
    guard let timeline else { return self }
    return StageClock.Span(operation: operation, start: timeline(start), end: timeline(end))
  }
}
