package import PlanIR

/// One thing that a launch decides, which the audit changes while all else stays.
package enum AuditKnob: String, Hashable, Sendable, CaseIterable {
  case tensor, pipeline, context
  case contextAttention = "context_attention"
  case microBatch = "micro_batch"
  case sequenceParallel = "sequence_parallel"
  case zero, copies
  case gradientOverlap = "gradient_overlap"
  case recompute, schedule, stages, ranks, layout
}

/// A launch with one thing changed.
package struct AuditChange: Sendable {
  package var knob: AuditKnob
  /// What to write in place of what, in the framework's words.
  package var from, to: String
  /// The changed launch; nil where the framework cannot say it.
  package var configuration: LaunchConfiguration?
  package var plan: RankedPlan
  /// Whether it fits the memory limit.
  package var fits: Bool
}
