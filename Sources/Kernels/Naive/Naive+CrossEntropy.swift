import Glibc

extension Naive {
  /// scale * the sum over rows of -log softmax(logits)[label], rows labelled -100 left out.
  package static func crossEntropy(
    _ logits: [Double], labels: [Int64], vocabulary: Int, valid: Int, scale: Double
  ) -> Double {
    var total = 0.0
    for (row, label) in labels.enumerated() where label != -100 {
      let line = logits[row * vocabulary..<row * vocabulary + valid]
      let sum = line.reduce(0) { $0 + exp($1) }
      total += log(sum) - logits[row * vocabulary + Int(label)]
    }
    return scale * total
  }
}
