/// What a run of the reference found.
package struct ReferenceRun: Sendable {
  /// The loss of each step, before its update.
  package var losses: [Double] = []
  /// The first step's logits [globalBatch, sequence, vocabulary], unpadded; nil without a head.
  package var logits: [Double]?
  /// The first step's gradient of each parameter, in the parameter's own dimension order.
  package var gradients: [ParameterInstance: [Double]] = [:]
  /// The first step's gradient of the features [globalBatch, sequence, hidden]; nil with an embedding.
  package var inputGradient: [Double]?
  /// The parameters after the last update, in their own dimension order.
  package var parameters: [ParameterInstance: [Double]] = [:]

  /// The first step's loss.
  package var loss: Double { losses.first ?? .nan }
}
