import PlanIR

/// Looks for what launches commonly get wrong. A rule speaks only where its change was priced and is
/// better than the present.
struct AuditAdvisor {
  let request: AuditRequest
  let present: RankedPlan
  let pricing: AuditPricing
  /// All changes of one thing, best first.
  let changes: [AuditChange]

  private var configuration: LaunchConfiguration { request.configuration }
  private var choices: PlanChoices { present.choices }
  /// Sequences of one data rank at a time, copies of what these shard counted.
  var microBatch: Int { configuration.microBatch ?? choices.microBatch }
  /// Gains below this are no advice.
  private static let leastGain = 0.01

  /// What the rules say, in the order of their gain.
  func advice() -> [AuditAdvice] {
    AuditRule.allCases.compactMap { rule in
      change(for: rule).map { (rule, $0) }
    }.enumerated().sorted { left, right in
      let (first, second) = (left.element.1.plan, right.element.1.plan)
      if pricing.isBetter(first, second) { return true }
      if pricing.isBetter(second, first) { return false }
      return left.offset < right.offset
    }.map { AuditAdvice(rule: $0.element.0, text: text($0.element.0, $0.element.1)) }
      + noteOfSelective()
  }

  /// The change that shows `rule`, where the launch breaks it.
  private func change(for rule: AuditRule) -> AuditChange? {
    guard isSuspect(rule) else { return nil }
    return changes.first { shows($0, rule) && isWorthIt($0) }
  }

  private func isWorthIt(_ change: AuditChange) -> Bool {
    guard pricing.isBetter(change.plan, present) else { return false }
    guard pricing.fits(present) else {
      // What does not make it fit is worth a word only where nothing does.
      return change.fits || !changes.contains { $0.fits }
    }
    guard change.fits else { return false }
    return change.plan.predicted.step.seconds
      < present.predicted.step.seconds * (1 - Self.leastGain)
  }

  /// Whether the launch does what `rule` is about.
  private func isSuspect(_ rule: AuditRule) -> Bool {
    let stages = choices.stages.count
    let isMegatron = choices.layout == .megatron
    switch rule {
    case .tensorAcrossNodes: return spread("tensor") > 1
    case .tinyMicroBatch: return choices.microBatches > 1
    case .largeMicroBatch: return microBatch > 1 && !pricing.fits(present)
    case .fewMicroBatches: return stages > 1 && min(bubble(present), filling) > 0.1
    case .unevenStages: return stages > 1
    case .sequenceParallelismOff: return isMegatron && !choices.sequenceParallel
    case .needlessRecomputation: return choices.recompute != .none
    case .recomputationMissing: return choices.recompute == .none && !pricing.fits(present)
    case .optimizerNotSharded: return choices.zero == 0 && choices.degree("data") > 1
    case .needlessPipeline: return stages > 1
    case .needlessTensor: return isMegatron && spread("tensor") == 1
    case .shardedAcrossNodes: return choices.zero == 3 && spread("data") > 1
    case .selectiveOfFused: return false
    }
  }

  /// Whether `change` is the remedy of `rule`.
  private func shows(_ change: AuditChange, _ rule: AuditRule) -> Bool {
    let other = change.plan.choices
    switch rule {
    case .tensorAcrossNodes:
      return change.knob == .tensor && spread("tensor", other) == 1
    case .tinyMicroBatch: return change.knob == .microBatch && other.microBatch > choices.microBatch
    case .largeMicroBatch:
      return change.knob == .microBatch && other.microBatch < choices.microBatch
    case .fewMicroBatches:
      let isFiner = change.knob == .microBatch && other.microBatch < choices.microBatch
      return (isFiner || change.knob == .schedule) && bubble(change.plan) < bubble(present)
    case .unevenStages: return change.knob == .stages
    case .sequenceParallelismOff: return change.knob == .sequenceParallel
    case .needlessRecomputation:
      return change.knob == .recompute && change.fits && recomputed(other) < recomputed(choices)
    case .recomputationMissing: return change.knob == .recompute
    case .optimizerNotSharded: return change.knob == .zero && other.zero > 0
    case .needlessPipeline:
      return change.knob == .pipeline && other.stages.count < choices.stages.count
    case .needlessTensor: return change.knob == .tensor && other.tensorDegree < choices.tensorDegree
    case .shardedAcrossNodes:
      return [.zero, .copies].contains(change.knob)
        && (other.zero < 3 || spread("data", other) == 1)
    case .selectiveOfFused: return false
    }
  }

  private func recomputed(_ choices: PlanChoices) -> Int {
    choices.stages.reduce(0) { $0 + 2 * $1.recomputeFull + $1.recomputeSelective }
  }

  /// The share of the step in which the stage that ends last waits.
  private func bubble(_ plan: RankedPlan) -> Double {
    let step = plan.predicted.step.seconds
    return step > 0 ? plan.predicted.breakdown.bubble.seconds / step : 0
  }

  /// The share that stages as long as each other would wait while the pipeline fills and drains.
  private var filling: Double {
    let (others, passes) = (choices.stages.count - 1, choices.microBatches * choices.interleave)
    return Double(others) / Double(max(1, others + passes))
  }

  /// Nodes over which an axis is spread, of the launch or another.
  private func spread(_ axis: String, _ other: PlanChoices? = nil) -> Int {
    (other ?? choices).placement.first { $0.axis == axis }?.acrossNodes ?? 1
  }

  private func noteOfSelective() -> [AuditAdvice] {
    guard configuration.recompute == .selective, request.training.workload.attention == .fused
    else { return [] }
    let text =
      "selective recomputation beside fused attention frees nothing, for no scores are stored; "
      + "drop it, the attention's forward pass is computed twice for it"
    return [AuditAdvice(rule: .selectiveOfFused, text: text)]
  }
}
