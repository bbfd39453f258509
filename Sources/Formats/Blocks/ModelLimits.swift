package import PlanIR

/// The largest models and workloads that are read: far beyond any that exist, and small enough that
/// counts of elements, bytes and tokens fit 64 bits with room for sums of them.
package enum ModelLimits {
  /// Of hidden, ffn, vocabulary, heads x head width, and a sequence.
  package static let dimension = 1 << 24
  /// Repetitions of a segment.
  package static let layers = 1 << 16
  /// Segments written in a file, and operations of a block.
  package static let writtenParts = 4096
  /// Elements of one parameter.
  package static let parameterElements = 1 << 40
  /// Elements of all parameters.
  package static let modelElements = 1 << 44
  /// Sequences of a step.
  package static let globalBatch = PlanLimits.sequences
  /// Probability of dropping an element.
  package static let dropout = 0.99
  /// Elements of the largest activation of a step.
  package static let activationElements = 1 << 56

  /// The product of `factors`, which are not negative, or nil where it exceeds `limit`.
  package static func product(_ factors: [Int], upTo limit: Int) -> Int? {
    var product = 1
    for factor in factors {
      let (next, overflow) = product.multipliedReportingOverflow(by: factor)
      if overflow || next > limit { return nil }
      product = next
    }
    return product
  }

  /// Whether all parameters of `model` together stay within ``modelElements``, each within
  /// ``parameterElements``.
  package static func allow(_ model: Model) -> Bool {
    var total = 0
    for segment in model.segments {
      for parameter in segment.blocks.flatMap(\.parameters) {
        let shape = model.sizes.shape(of: parameter.dimensions)
        guard let elements = product(shape, upTo: parameterElements),
          let all = product([elements, segment.count], upTo: modelElements)
        else { return false }
        total += all
        if total > modelElements { return false }
      }
    }
    return true
  }

  /// Whether the largest activation of a step of `workload`, attention's scores included, stays
  /// within ``activationElements``.
  package static func allow(_ workload: Workload, of model: Model) -> Bool {
    let sizes = model.sizes
    let square = product([max(sizes[.heads], 1), workload.sequence], upTo: activationElements)
    let columns = [
      sizes[.hidden], sizes[.wide], sizes[.vocabulary], sizes[.heads] * sizes[.headWidth],
    ]
    let widest = max(square ?? .max, columns.max() ?? 1)
    let factors = [workload.globalBatch, workload.sequence, widest]
    return product(factors, upTo: activationElements) != nil
  }
}
