import PlanIR

extension AuditAdvisor {
  /// One sentence that names the mistake, the change, and the figures of both.
  func text(_ rule: AuditRule, _ change: AuditChange) -> String {
    "\(mistake(rule)): \(change.to) in place of \(change.from) \(figures(change))"
  }

  private func mistake(_ rule: AuditRule) -> String {
    let choices = present.choices
    switch rule {
    case .tensorAcrossNodes:
      let perNode = choices.placement.reduce(1) { $0 * $1.insideNode }
      return "a tensor degree of \(choices.tensorDegree) crosses nodes of \(perNode) devices, and "
        + "every layer waits for the network between them"
    case .tinyMicroBatch:
      return "micro-batches of \(microBatch), \(choices.microBatches) a step, pay each for "
        + "the latency of every kernel and collective"
    case .largeMicroBatch:
      return "micro-batches of \(microBatch) hold more activations than fit"
    case .fewMicroBatches:
      let bubble = present.predicted.breakdown.bubble.seconds
      let share = (bubble / present.predicted.step.seconds * 1000).rounded() / 10
      return "\(choices.microBatches) micro-batches over \(choices.stages.count) stages leave a "
        + "bubble of \(share) % of the step"
    case .unevenStages:
      let layers = choices.stages.map(\.layers)
      let (least, most) = (layers.min() ?? 0, layers.max() ?? 0)
      return least < most
        ? "stages have \(least) to \(most) layers, and all wait for the slowest"
        : "the last stage has the head beside as many layers as the others, and all wait for it"
    case .sequenceParallelismOff:
      return "without sequence parallelism each tensor rank keeps, and computes norms and dropout "
        + "of, the whole stream"
    case .needlessRecomputation:
      return "more layers are recomputed than memory asks for"
    case .recomputationMissing: return "nothing is recomputed, and activations do not fit"
    case .optimizerNotSharded:
      return "every data rank holds, and updates, the whole optimizer state"
    case .needlessPipeline:
      return "\(choices.stages.count) stages are more than memory asks for"
    case .needlessTensor:
      return "a tensor degree of \(choices.tensorDegree) is more than memory asks for"
    case .shardedAcrossNodes:
      return "weights sharded over data are gathered across nodes in every layer and micro-batch"
    case .selectiveOfFused: return "selective recomputation of fused attention"
    }
  }

  private func figures(_ change: AuditChange) -> String {
    let (now, then) = (present.predicted, change.plan.predicted)
    let memory = "\(gibibytes(then.memory.total)) GiB in place of \(gibibytes(now.memory.total))"
    guard pricing.fits(present) else {
      return change.fits
        ? "fits: \(memory), \(seconds(then.step)) s a step" : "needs \(memory), still too much"
    }
    let gain = (1 - then.step.seconds / now.step.seconds) * 100
    return
      "takes \(seconds(then.step)) s in place of \(seconds(now.step)) "
      + "(\((gain * 10).rounded() / 10) % less), and \(memory)"
  }

  private func seconds(_ time: Picoseconds) -> String { rounded(time.seconds) }

  private func gibibytes(_ bytes: Bytes) -> String {
    rounded(Double(bytes.count) / Double(1 << 30))
  }

  /// Four digits that matter.
  private func rounded(_ value: Double) -> String {
    guard value > 0 else { return "0" }
    var scale = 1.0
    while value * scale < 1000 && scale < 1e9 { scale *= 10 }
    return "\((value * scale).rounded() / scale)"
  }
}
