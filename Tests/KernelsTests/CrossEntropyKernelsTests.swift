import Kernels
import PlanIR
import Testing

@Suite struct CrossEntropyKernelsTests {
  static let labels: [Int64] = [3, -100, 0, 6, 4, 2]

  struct Outcome {
    var loss = 0.0
    var gradient: [Double] = []
  }

  struct Shard {
    let shard: VocabularyShard
    let logits: Tensor
  }

  /// Loss and gradient with the vocabulary cut as `cuts` say, reduced by hand.
  static func run(
    _ logits: [Double], _ draw: Draw, vocabulary: Int, valid: Int, _ cuts: [Range<Int>]
  )
    -> Outcome
  {
    let rows = labels.count
    let given = Tensor(integers: labels)
    let shards = cuts.map { cut in
      let values = (0..<rows).flatMap { row in cut.map { logits[row * vocabulary + $0] } }
      let shard = VocabularyShard(
        rows: rows, localVocabulary: cut.count, vocabularyOffset: cut.lowerBound,
        validVocabulary: valid)
      return Shard(shard: shard, logits: Tensor(values, draw.dtype))
    }
    let peaks = reduce(shards, draw, -.infinity, max) {
      CrossEntropyKernels.rowMaximum($0.logits.view, shard: $0.shard, into: $1.view)
    }
    let sums = reduce(shards, draw, 0, +) {
      CrossEntropyKernels.exponentialSum(
        $0.logits.view, maximum: peaks.view, shard: $0.shard, into: $1.view)
    }
    let picks = reduce(shards, draw, 0, +) {
      CrossEntropyKernels.pickLabel(
        $0.logits.view, labels: given.view, shard: $0.shard, into: $1.view)
    }
    let loss = Tensor([1], draw.dtype)
    CrossEntropyKernels.loss(
      maximum: peaks.view, exponentialSum: sums.view, pick: picks.view, labels: given.view,
      scale: 0.2, into: loss.view, accumulate: true)
    for part in shards {
      CrossEntropyKernels.probabilities(
        part.logits.view, maximum: peaks.view, exponentialSum: sums.view, shard: part.shard,
        into: part.logits.view)
      CrossEntropyKernels.gradient(
        probabilities: part.logits.view, labels: given.view, shard: part.shard, scale: 0.2,
        into: part.logits.view)
    }
    let gradient = (0..<rows).flatMap { row in
      zip(shards, cuts).flatMap { part, cut in
        part.logits.values[row * cut.count..<(row + 1) * cut.count]
      }
    }
    return Outcome(loss: loss[0] - 1, gradient: gradient)
  }

  static func reduce(
    _ shards: [Shard], _ draw: Draw, _ start: Double, _ combine: (Double, Double) -> Double,
    _ part: (Shard, Tensor) -> Void
  ) -> Tensor {
    var total = [Double](repeating: start, count: labels.count)
    for shard in shards {
      let local = draw.empty(labels.count)
      part(shard, local)
      total = zip(total, local.values).map(combine)
    }
    return Tensor(total, draw.dtype)
  }

  @Test(
    arguments: precisions,
    [[0..<12], [0..<3, 3..<12], [0..<6, 6..<12], [0..<4, 4..<8, 8..<12], [0..<10, 10..<12]])
  func `the loss and its gradient are the definition's, whole and in shards`(
    _ dtype: DType, _ cuts: [Range<Int>]
  ) {
    let draw = Draw(seed: 71, dtype: dtype)
    let logits = draw.numbers(Self.labels.count * 12, "logits").map { 4 * $0 }
    let outcome = Self.run(logits, draw, vocabulary: 12, valid: 10, cuts)
    func loss(_ x: [Double]) -> Double {
      Naive.crossEntropy(x, labels: Self.labels, vocabulary: 12, valid: 10, scale: 0.2)
    }
    expectClose([outcome.loss], [loss(logits)], draw, single: 1e-6)
    expectClose(
      outcome.gradient, centralDifferences(logits, loss), draw, single: 1e-6, double: 1e-9)
  }

  @Test func `a wide vocabulary sums over tiles`() {
    let draw = Draw(seed: 72, dtype: .float32)
    let logits = draw.numbers(Self.labels.count * 1001, "logits")
    let outcome = Self.run(logits, draw, vocabulary: 1001, valid: 999, [0..<1001])
    let expected = Naive.crossEntropy(
      logits, labels: Self.labels, vocabulary: 1001, valid: 999, scale: 0.2)
    expectClose([outcome.loss], [expected], draw, single: 1e-6)
  }
}
