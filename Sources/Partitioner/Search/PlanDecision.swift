/// What a plan decides, each kind with a runner-up of its own.
package enum PlanDecision: String, Hashable, Sendable, CaseIterable {
  case layout, pipeline, context, data
  case microBatch = "micro_batch"
  case schedule, recompute, zero
  case sequenceParallel = "sequence_parallel"
}
