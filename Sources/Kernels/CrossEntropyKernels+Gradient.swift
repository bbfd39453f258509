extension CrossEntropyKernels {
  /// p [rows, localVocabulary] = exp(logit - maximum) / sum, 0 in padding; in place ok.
  package static func probabilities(
    _ logits: TensorView, maximum: TensorView, exponentialSum: TensorView,
    shard: VocabularyShard, into p: TensorView
  ) {
    switch logits.precision {
    case .single: probabilities(Float.self, logits, maximum, exponentialSum, shard, p)
    case .double: probabilities(Double.self, logits, maximum, exponentialSum, shard, p)
    }
  }

  private static func probabilities<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ logits: TensorView, _ maximum: TensorView,
    _ exponentialSum: TensorView, _ shard: VocabularyShard, _ p: TensorView
  ) {
    let valid = shard.validColumns
    for row in 0..<shard.rows {
      let line = UnsafePointer(logits.values(type) + row * shard.localVocabulary)
      let output = p.values(type) + row * shard.localVocabulary
      let peak = maximum.values(type)[row]
      let reciprocal = 1 / exponentialSum.values(type)[row]
      Loops.map(line, into: output, count: valid) { Scalar.exponential($0 - peak) * reciprocal }
      Loops.zero(output + valid, count: shard.localVocabulary - valid)
    }
  }

  /// loss [1] (+)= scale * the sum over rows not ignored of log(sum) + maximum - pick, each vector
  /// [rows] and already reduced over the shards.
  package static func loss(
    maximum: TensorView, exponentialSum: TensorView, pick: TensorView, labels: TensorView,
    scale: Double, into loss: TensorView, accumulate: Bool
  ) {
    switch loss.precision {
    case .single:
      let total = sum(Float.self, maximum, exponentialSum, pick, labels)
      let output = loss.values(Float.self)
      output[0] = Float(scale * total) + (accumulate ? output[0] : 0)
    case .double:
      let total = sum(Double.self, maximum, exponentialSum, pick, labels)
      let output = loss.values(Double.self)
      output[0] = scale * total + (accumulate ? output[0] : 0)
    }
  }

  private static func sum<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ maximum: TensorView, _ exponentialSum: TensorView, _ pick: TensorView,
    _ labels: TensorView
  ) -> Double {
    var total = 0.0
    for row in 0..<labels.count where labels.integers[row] != ignoredLabel {
      let peak = maximum.values(type)[row].widened - pick.values(type)[row].widened
      total += logarithm(exponentialSum.values(type)[row].widened) + peak
    }
    return total
  }

  /// dlogits [rows, localVocabulary] = scale * (p - onehot(label)), zero for ignored rows and in
  /// padding; in place ok on `probabilities`.
  package static func gradient(
    probabilities: TensorView, labels: TensorView, shard: VocabularyShard, scale: Double,
    into dlogits: TensorView
  ) {
    switch dlogits.precision {
    case .single: gradient(Float.self, probabilities, labels, shard, scale, dlogits)
    case .double: gradient(Double.self, probabilities, labels, shard, scale, dlogits)
    }
  }

  private static func gradient<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ probabilities: TensorView, _ labels: TensorView,
    _ shard: VocabularyShard, _ scale: Double, _ dlogits: TensorView
  ) {
    let (factor, columns) = (Scalar(scale), shard.localVocabulary)
    for row in 0..<shard.rows {
      let label = labels.integers[row]
      let output = dlogits.values(type) + row * columns
      guard label != ignoredLabel else {
        Loops.zero(output, count: columns)
        continue
      }
      let input = UnsafePointer(probabilities.values(type) + row * columns)
      Loops.map(input, into: output, count: columns) { factor * $0 }
      Loops.zero(output + shard.validColumns, count: columns - shard.validColumns)
      if let column = shard.column(of: label) { output[column] -= factor }
    }
  }
}
