/// The loss and gradients of one step, before its update.
struct StepOutcome {
  var loss: Double
  /// Of each parameter, in the order of ``ParameterSet``; zeros where the loss does not depend on it.
  var gradients: [[Double]]
  /// [globalBatch, sequence, hidden]; nil where the model has an embedding.
  var inputGradient: [Double]?
  /// [globalBatch, sequence, vocabulary]; nil where the model has no cross-entropy.
  var logits: [Double]?
}
