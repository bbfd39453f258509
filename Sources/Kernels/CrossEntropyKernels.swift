/// The local shard of a vocabulary that logits are sharded over.
package struct VocabularyShard: Sendable {
  /// Rows of logits: batch entries times positions.
  package var rows: Int
  /// Columns this rank holds, padding included.
  package var localVocabulary: Int
  /// The vocabulary entry of local column 0.
  package var vocabularyOffset: Int
  /// Entries of the whole vocabulary; columns from here on are padding, as if -infinity.
  package var validVocabulary: Int

  /// A shard of logits [rows, localVocabulary].
  package init(rows: Int, localVocabulary: Int, vocabularyOffset: Int, validVocabulary: Int) {
    self.rows = rows
    self.localVocabulary = localVocabulary
    self.vocabularyOffset = vocabularyOffset
    self.validVocabulary = validVocabulary
  }

  /// How many of the local columns are not padding.
  var validColumns: Int { min(max(validVocabulary - vocabularyOffset, 0), localVocabulary) }

  /// The local column of `label`, nil if another shard holds it or it is ignored.
  @inline(__always)
  func column(of label: Int64) -> Int? {
    let local = Int(label) - vocabularyOffset
    return label >= 0 && local >= 0 && local < validColumns ? local : nil
  }
}

/// Cross-entropy over logits sharded by vocabulary.
///
///     rowMaximum        all-reduce max    exponentialSum   all-reduce sum
///     pickLabel         all-reduce sum    loss, probabilities, gradient
///
/// Rows labelled ``ignoredLabel`` count for nothing. Vectors over rows are [rows].
package enum CrossEntropyKernels {
  /// The label of rows that are left out, as in torch.
  package static let ignoredLabel: Int64 = -100

  /// maximum [rows] = the largest local logit of each row, -infinity where all are padding.
  package static func rowMaximum(
    _ logits: TensorView, shard: VocabularyShard, into maximum: TensorView
  ) {
    switch logits.precision {
    case .single: rowMaximum(Float.self, logits, shard, maximum)
    case .double: rowMaximum(Double.self, logits, shard, maximum)
    }
  }

  private static func rowMaximum<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ logits: TensorView, _ shard: VocabularyShard, _ maximum: TensorView
  ) {
    for row in 0..<shard.rows {
      let line = logits.values(type) + row * shard.localVocabulary
      maximum.values(type)[row] = Scalar.maximum(line, count: shard.validColumns)
    }
  }

  /// sum [rows] = the sum of exp(logit - maximum) over each row's local columns, in double.
  ///
  /// Scratch: 256 elements.
  package static func exponentialSum(
    _ logits: TensorView, maximum: TensorView, shard: VocabularyShard, into sum: TensorView
  ) {
    switch logits.precision {
    case .single: exponentialSum(Float.self, logits, maximum, shard, sum)
    case .double: exponentialSum(Double.self, logits, maximum, shard, sum)
    }
  }

  private static func exponentialSum<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ logits: TensorView, _ maximum: TensorView, _ shard: VocabularyShard,
    _ sum: TensorView
  ) {
    let tile = 256
    withScratch(type, count: tile) { powers in
      for row in 0..<shard.rows {
        let line = UnsafePointer(logits.values(type) + row * shard.localVocabulary)
        let peak = maximum.values(type)[row]
        var total = 0.0
        for start in stride(from: 0, to: shard.validColumns, by: tile) {
          let width = min(tile, shard.validColumns - start)
          Loops.map(line + start, into: powers, count: width) { Scalar.exponential($0 - peak) }
          total += Loops.sum(UnsafePointer(powers), count: width)
        }
        sum.values(type)[row] = Scalar(total)
      }
    }
  }

  /// pick [rows] = the logit of each row's label (int64), 0 where it is not local or is ignored.
  package static func pickLabel(
    _ logits: TensorView, labels: TensorView, shard: VocabularyShard, into pick: TensorView
  ) {
    switch logits.precision {
    case .single: pickLabel(Float.self, logits, labels, shard, pick)
    case .double: pickLabel(Double.self, logits, labels, shard, pick)
    }
  }

  private static func pickLabel<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ logits: TensorView, _ labels: TensorView, _ shard: VocabularyShard,
    _ pick: TensorView
  ) {
    let (input, output) = (logits.values(type), pick.values(type))
    for row in 0..<shard.rows {
      let column = shard.column(of: labels.integers[row])
      output[row] = column.map { input[row * shard.localVocabulary + $0] } ?? 0
    }
  }
}
