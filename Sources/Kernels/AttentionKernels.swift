/// Attention that keeps no probabilities: scores live for one block of queries at a time.
///
/// A block is 64 query rows of one head against the run of keys they see between causal mask and
/// window; keys outside it are not multiplied. The forward pass keeps the log of each row's sum of
/// exponentials, from which the backward pass recomputes probabilities (Dao et al., FlashAttention,
/// NeurIPS 2022, section 3; here a row's keys are all in one block, so no running rescale).
package enum AttentionKernels {
  /// o [batch, querySequence, heads, width] = softmax(scale * q k^T) v, and logSumExp [batch, heads,
  /// querySequence]; a row with no visible key is 0 with logSumExp -infinity.
  ///
  /// Scratch: min(64, querySequence) * keySequence elements, and keySequence bytes if dropping. `o` must not overlap the inputs.
  package static func forward(
    _ shape: AttentionShape, q: TensorView, k: TensorView, v: TensorView,
    dropout: AttentionDropout?, into o: TensorView, logSumExp: TensorView
  ) {
    precondition(q.count == shape.queryCount && o.count == q.count, "queries of another shape")
    precondition(k.count == shape.keyCount && v.count == k.count, "keys of another shape")
    switch q.precision {
    case .single: forward(Float.self, shape, q, k, v, dropout, o, logSumExp)
    case .double: forward(Double.self, shape, q, k, v, dropout, o, logSumExp)
    }
  }

  private static func forward<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ shape: AttentionShape, _ q: TensorView, _ k: TensorView,
    _ v: TensorView, _ dropout: AttentionDropout?, _ o: TensorView, _ logSumExp: TensorView
  ) {
    let (queries, keys, values) = (q.values(type), k.values(type), v.values(type))
    let output = o.values(type)
    withScratch(type, count: shape.blockCount) { scores in
      shape.forEachHead { batch, head in
        let sums = logSumExp.values(type) + (batch * shape.heads + head) * shape.querySequence
        shape.forEachBlock(batch, head) { block in
          let stride = max(block.keys.count, 1)
          if !block.keys.isEmpty {
            shape.multiplyScores(
              block, queries, keys, into: scores, scoreStride: stride, alpha: shape.scale)
          }
          normalise(scores, block, shape, dropout, sums)
          shape.multiplyQueries(
            block, scores, values, into: output, scoreStride: stride, alpha: 1)
        }
      }
    }
  }

  /// Scores to probabilities in place, dropped where asked, and each row's logSumExp.
  private static func normalise<Scalar: KernelFloat>(
    _ scores: UnsafeMutablePointer<Scalar>, _ block: AttentionBlock, _ shape: AttentionShape,
    _ dropout: AttentionDropout?, _ sums: UnsafeMutablePointer<Scalar>
  ) {
    let count = block.keys.count
    for (line, query) in block.queries.enumerated() {
      let visible = block.visible(query, shape)
      let row = scores + line * count
      sums[query] = SoftmaxRow.normalise(row, count: count, visible: visible)
      guard let dropout else { continue }
      withScratch(UInt8.self, count: count) { mask in
        dropout.fill(mask, block, query: query, shape: shape)
        let factor = DropoutKernels.keptFactor(dropout.probability, Scalar.self)
        DropoutKernels.apply(mask, UnsafePointer(row), row, count: count, factor: factor)
      }
    }
  }
}
