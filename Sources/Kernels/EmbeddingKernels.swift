/// Lookups in a table sharded over its vocabulary, and their gradient.
package enum EmbeddingKernels {
  /// out [rows, columns] = the rows of table [localVocabulary, columns] that ids [rows] name.
  ///
  /// The table holds the identifiers from `vocabularyOffset` on; a row whose identifier is held
  /// elsewhere is zero, so that the sum over the shards is the whole lookup; where the call
  /// accumulates it keeps what it has.
  package static func lookup(
    ids: TensorView, table: TensorView, vocabularyOffset: Int, localVocabulary: Int, columns: Int,
    into out: TensorView, accumulate: Bool = false
  ) {
    switch out.precision {
    case .single:
      lookup(Float.self, ids, table, vocabularyOffset, localVocabulary, columns, out, accumulate)
    case .double:
      lookup(Double.self, ids, table, vocabularyOffset, localVocabulary, columns, out, accumulate)
    }
  }

  private static func lookup<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ ids: TensorView, _ table: TensorView, _ vocabularyOffset: Int,
    _ localVocabulary: Int, _ columns: Int, _ out: TensorView, _ accumulate: Bool
  ) {
    let (identifiers, source, output) = (ids.integers, table.values(type), out.values(type))
    for row in 0..<ids.count {
      let target = output + row * columns
      let local = Int(identifiers[row]) - vocabularyOffset
      if (0..<localVocabulary).contains(local) {
        target.update(from: source + local * columns, count: columns)
      } else if !accumulate {
        Loops.zero(target, count: columns)
      }
    }
  }

  /// tableGradient [localVocabulary, columns] += the rows of gradient [rows, columns], each to the
  /// row that ids [rows] names; identifiers held elsewhere are skipped.
  package static func scatterAdd(
    ids: TensorView, gradient: TensorView, vocabularyOffset: Int, localVocabulary: Int,
    columns: Int, into tableGradient: TensorView
  ) {
    switch gradient.precision {
    case .single:
      scatterAdd(
        Float.self, ids, gradient, vocabularyOffset, localVocabulary, columns, tableGradient)
    case .double:
      scatterAdd(
        Double.self, ids, gradient, vocabularyOffset, localVocabulary, columns, tableGradient)
    }
  }

  private static func scatterAdd<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ ids: TensorView, _ gradient: TensorView, _ vocabularyOffset: Int,
    _ localVocabulary: Int, _ columns: Int, _ tableGradient: TensorView
  ) {
    let (identifiers, source) = (ids.integers, gradient.values(type))
    let output = tableGradient.values(type)
    for row in 0..<ids.count {
      let local = Int(identifiers[row]) - vocabularyOffset
      guard (0..<localVocabulary).contains(local) else { continue }
      let target = output + local * columns
      Loops.zip(target, source + row * columns, into: target, count: columns) { $0 + $1 }
    }
  }
}
