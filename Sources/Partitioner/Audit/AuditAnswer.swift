package import PlanIR

/// What is asked of an audit.
package struct AuditRequest: Sendable {
  package var training: TrainingGraph
  package var cluster: Cluster
  package var devices: Int
  package var memory: MemoryLimit
  package var configuration: LaunchConfiguration
  /// What the search for the optimum is bound to; all open by default.
  package var pins: Pins
  package var timings: TimingTable
  /// Devices of a node as the launch counts them; nil where it does not say.
  package var launchedPerNode: Int?

  package init(
    training: TrainingGraph, cluster: Cluster, devices: Int, memory: MemoryLimit = .device,
    configuration: LaunchConfiguration, pins: Pins = Pins(), timings: TimingTable = TimingTable(),
    launchedPerNode: Int? = nil
  ) {
    self.training = training
    self.cluster = cluster
    self.devices = devices
    self.memory = memory
    self.configuration = configuration
    self.pins = pins
    self.timings = timings
    self.launchedPerNode = launchedPerNode
  }

  /// The limit in bytes; nil for none.
  package var limit: Bytes? { memory.bytes(on: cluster) }
}

/// What an audit found of a launch.
package struct AuditAnswer: Sendable {
  /// The plan that the launch runs; nil where it cannot be.
  package var present: RankedPlan?
  /// Whether it fits the memory limit.
  package var fits = false
  /// The stage that holds most, and how much.
  package var fullestStage = 0
  package var stageCount = 1
  /// Why the launch cannot be.
  package var reasons: [ConstraintViolation] = []
  /// The best change of each thing that one helps, best first.
  package var changes: [AuditChange] = []
  /// Changes one after another, each the best from where the one before leads.
  package var path: [AuditChange] = []
  /// The best plan known that fits; nil where none does.
  package var optimum: RankedPlan?
  package var optimumSource = OptimumSource.search
  package var advice: [AuditAdvice] = []

  init() {}

  /// The answer to a step that cannot be planned.
  package init(refusing reason: ConstraintViolation) { reasons = [reason] }

  /// Of the changes the one that gains most.
  package var best: AuditChange? { changes.first }

  /// The launch's time over the optimum's; nil where there is none, or the launch does not fit.
  package var ratio: Double? {
    guard fits, let present, let optimum, optimum.predicted.step > .zero else { return nil }
    return present.predicted.step.seconds / optimum.predicted.step.seconds
  }
}

/// Where the optimum was found.
package enum OptimumSource: String, Hashable, Sendable {
  case present, change, path, search
}

/// A common mistake that the launch makes, with the figures that show it.
package struct AuditAdvice: Hashable, Sendable {
  package var rule: AuditRule
  package var text: String
}

/// The mistakes that are looked for.
package enum AuditRule: String, Hashable, Sendable, CaseIterable {
  case tensorAcrossNodes = "tensor_across_nodes"
  case tinyMicroBatch = "tiny_micro_batch"
  case largeMicroBatch = "large_micro_batch"
  case fewMicroBatches = "few_micro_batches"
  case unevenStages = "head_on_last_stage"
  case sequenceParallelismOff = "sequence_parallelism_off"
  case needlessRecomputation = "needless_recomputation"
  case recomputationMissing = "recomputation_missing"
  case optimizerNotSharded = "optimizer_not_sharded"
  case needlessPipeline = "needless_pipeline"
  case needlessTensor = "needless_tensor"
  case shardedAcrossNodes = "weights_sharded_across_nodes"
  case selectiveOfFused = "selective_of_fused"
}
