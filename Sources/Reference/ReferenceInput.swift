/// One global batch.
package struct ReferenceInput: Sendable {
  /// Token ids [globalBatch, sequence]; not read by a model without embedding.
  package var tokens: [Int64]
  /// Labels [globalBatch, sequence], already shifted, ``ignoredLabel`` where there is none; not read
  /// by a model without cross-entropy.
  package var labels: [Int64]
  /// The stream that enters a model without embedding, [globalBatch, sequence, hidden].
  package var features: [Double]?
  /// What a model without head multiplies its output with, [globalBatch, sequence, hidden].
  package var cotangent: [Double]?

  package init(
    tokens: [Int64] = [], labels: [Int64] = [], features: [Double]? = nil,
    cotangent: [Double]? = nil
  ) {
    self.tokens = tokens
    self.labels = labels
    self.features = features
    self.cotangent = cotangent
  }

  /// The label of a token that the loss does not count.
  package static let ignoredLabel: Int64 = -100
}
