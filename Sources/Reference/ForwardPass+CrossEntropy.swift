internal import PlanIR

#if canImport(Glibc)
  internal import Glibc
#endif

extension ForwardPass {
  /// The mean over all labels that are not ignored of log-sum-exp less the label's logit, of logits
  /// [batch, sequence, vocabulary]; 0 where every label is ignored.
  mutating func crossEntropy(
    _ operation: ModelOperation, _ operands: [Tensor], _ scope: BlockScope
  ) throws(ReferenceError) -> Tensor {
    let logits = operands[0]
    try scope.require(
      logits.dimensions == [.batch, .sequence, .vocabulary],
      "logits [batch, sequence, vocabulary]", operation, operands)
    self.logits = logits
    let labels = input.labels
    let counted = labels.count { $0 != ReferenceInput.ignoredLabel }
    let weight = counted > 0 ? 1 / Double(counted) : 0
    var slopes = [Double](repeating: 0, count: logits.elements.count)
    var loss = 0.0
    for (row, label) in labels.enumerated() where label != ReferenceInput.ignoredLabel {
      let places = row * logits.width..<(row + 1) * logits.width
      let sum = Self.logSumExp(logits.elements[places])
      for index in places { slopes[index] = exp(logits.elements[index] - sum) * weight }
      slopes[places.lowerBound + Int(label)] -= weight
      loss += (sum - logits.elements[places.lowerBound + Int(label)]) * weight
    }
    return tape.record([], [], [loss], from: [logits]) { gradient in
      [slopes.map { $0 * gradient[0] }]
    }
  }

  private static func logSumExp(_ row: ArraySlice<Double>) -> Double {
    let maximum = row.max() ?? 0
    var sum = 0.0
    for element in row { sum += exp(element - maximum) }
    return maximum + log(sum)
  }
}
