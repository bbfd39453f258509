import ArgumentParser
import Formats
import PlanIR

/// What a step computes; whatever is not given, the model's own workload or the default decides.
struct WorkloadOptions: ParsableArguments {
  @Option(help: "Sequences of one optimizer step (512).")
  var globalBatch: Int?

  @Option(help: "Tokens of a sequence (the model's maximum, at most 4096).")
  var sequence: Int?

  @Option(help: "Widths of weights, activations and optimizer state (mixed).")
  var precision: Precision?

  @Option(help: "The update rule (adamw).")
  var optimizer: Optimizer?

  @Option(help: "One kernel that stores no scores, or operation by operation (fused).")
  var attention: AttentionForm?

  @Option(help: "Probability of dropping an activation (0).")
  var dropout: Double?

  @Option(help: "Pad the vocabulary to a multiple of this, times the axes that split it (128).")
  var padVocabulary: Int?

  func validate() throws {
    for (name, value, limit) in [
      ("--global-batch", globalBatch, ModelLimits.globalBatch),
      ("--sequence", sequence, ModelLimits.dimension),
      ("--pad-vocabulary", padVocabulary, ModelLimits.dimension),
    ] {
      if let value, !(1...limit).contains(value) {
        throw ValidationError("\(name): expected 1 to \(limit), found \(value)")
      }
    }
    if let dropout, !(0...ModelLimits.dropout).contains(dropout) {
      throw ValidationError("--dropout: expected 0 to \(ModelLimits.dropout), found \(dropout)")
    }
  }

  func workload(for model: Model) -> Workload { overrides.resolved(for: model) }

  /// What is given.
  var overrides: WorkloadOverrides {
    var overrides = WorkloadOverrides()
    overrides.globalBatch = globalBatch
    overrides.sequence = sequence
    overrides.precision = precision
    overrides.optimizer = optimizer
    overrides.attention = attention
    overrides.dropout = dropout
    overrides.padVocabulary = padVocabulary
    return overrides
  }
}
