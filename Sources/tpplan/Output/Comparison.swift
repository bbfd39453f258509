import Partitioner
import PlanIR

/// A plan beside another, and how far the choice between them holds.
struct Comparison {
  let plan: Plan
  let other: Plan
  let thresholds: Result<Thresholds, ThresholdRefusal>

  init(_ plan: Plan, _ other: Plan, _ training: TrainingGraph, _ timings: TimingTable) {
    self.plan = plan
    self.other = other
    thresholds = Result { () throws(ThresholdRefusal) in
      try Thresholds.between(plan, other, training, timings: timings)
    }
  }
}
