package import PlanIR

/// The best plan that decides one thing otherwise than another plan.
package struct RunnerUp: Sendable {
  /// What it decides otherwise.
  package var decision: PlanDecision
  /// The fastest that fits, or, where none does, the one that needs least memory.
  package var plan: RankedPlan
  /// Whether it stays within the memory limit.
  package var fits: Bool

  /// How much longer each part of its step is than that of `other`; the sum is the difference of the steps.
  package func more(than other: RankedPlan) -> Prediction.Breakdown {
    let (own, theirs) = (plan.predicted.breakdown, other.predicted.breakdown)
    return Prediction.Breakdown(
      compute: own.compute - theirs.compute,
      communicationExposed: own.communicationExposed - theirs.communicationExposed,
      bubble: own.bubble - theirs.bubble, optimizer: own.optimizer - theirs.optimizer)
  }
}
