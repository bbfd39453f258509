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
    let spans = time.clock?.spans.map { $0.map { $0.scaled(by: time.share) } }
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
  /// The same where a step takes `share` of it.
  fileprivate func scaled(by share: Double) -> StageClock.Span {
    guard share != 1 else { return self }
    func scaled(_ time: Picoseconds) -> Picoseconds {
      Picoseconds(Int(Double(time.count) * share))
    }
    return StageClock.Span(operation: operation, start: scaled(start), end: scaled(end))
  }
}
