package import PlanIR

/// The data of one step, whole: what every device loads its part of.
package struct HostBatch: Sendable {
  /// Token ids, [global batch, sequence].
  package var tokens: [Int64]
  /// Labels, already shifted, -100 where ignored, [global batch, sequence].
  package var labels: [Int64]
  /// The stream that enters a model without an embedding, [global batch, sequence, hidden].
  package var features: DrawnValues?
  /// The cotangent of the output of a model without a head, of the same shape.
  package var cotangent: DrawnValues?

  /// Takes the arrays as they are; those that a model does not read may be empty.
  package init(
    tokens: [Int64], labels: [Int64], features: DrawnValues? = nil, cotangent: DrawnValues? = nil
  ) {
    self.tokens = tokens
    self.labels = labels
    self.features = features
    self.cotangent = cotangent
  }

  /// A batch drawn from `seed` for `model` under `workload`.
  package static func random(model: Model, workload: Workload, seed: UInt64) -> HostBatch {
    let vocabulary = model.sizes[.vocabulary]
    func integers(_ name: String) -> [Int64] {
      let generator = CounterGenerator(seed: seed, name: name)
      return (0..<workload.tokens).map {
        Int64(generator.integer(below: vocabulary, at: UInt64($0)))
      }
    }
    let count = workload.tokens * model.sizes[.hidden]
    func values(_ name: String) -> DrawnValues {
      DrawnValues(seed: seed, name: name, count: count)
    }
    let readsTokens = model.has(.embedding)
    let readsLabels = model.has(.head)
    return HostBatch(
      tokens: readsTokens ? integers("tokens") : [], labels: readsLabels ? integers("labels") : [],
      features: readsTokens ? nil : values("features"),
      cotangent: readsLabels ? nil : values("cotangent"))
  }

  /// The label that is left out of the loss.
  package static let ignoredLabel: Int64 = -100

  /// Labels that count.
  package var validLabels: Int { labels.count { $0 != Self.ignoredLabel } }

  /// The first id that the vocabulary has not, as an error.
  package func verify(vocabulary: Int, sequence: Int) throws(RunError) {
    for (ids, isLabel) in [(tokens, false), (labels, true)] {
      for (place, id) in ids.enumerated() where !(isLabel && id == Self.ignoredLabel) {
        guard id < 0 || id >= vocabulary else { continue }
        throw RunError.tokenOutOfRange(
          token: id, sequence: place / sequence, position: place % sequence,
          vocabulary: vocabulary)
      }
    }
  }
}
