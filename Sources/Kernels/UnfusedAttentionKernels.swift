/// Attention in steps that keep the probabilities, [batch, heads, querySequence, keySequence].
///
///     scores -> softmax -> (dropout) -> context
///     context's two gradients -> (dropout's) -> softmaxGradient -> the scores' two gradients
///
/// Blocks that the mask removes are filled, not multiplied; outputs must not overlap inputs
/// unless a step says otherwise.
package enum UnfusedAttentionKernels {
  /// s = scale * q k^T, -infinity where masked.
  package static func scores(
    _ shape: AttentionShape, q: TensorView, k: TensorView, into s: TensorView
  ) {
    switch s.precision {
    case .single: products(Float.self, shape, q, k, s, alpha: shape.scale, masked: -.infinity)
    case .double: products(Double.self, shape, q, k, s, alpha: shape.scale, masked: -.infinity)
    }
  }

  /// dp = dOut v^T, 0 where masked.
  package static func contextGradientProbabilities(
    _ shape: AttentionShape, dOut: TensorView, v: TensorView, into dp: TensorView
  ) {
    switch dp.precision {
    case .single: products(Float.self, shape, dOut, v, dp, alpha: 1, masked: 0)
    case .double: products(Double.self, shape, dOut, v, dp, alpha: 1, masked: 0)
    }
  }

  private static func products<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ shape: AttentionShape, _ queryLike: TensorView, _ keyLike: TensorView,
    _ output: TensorView, alpha: Double, masked: Scalar
  ) {
    let (queries, keys) = (queryLike.values(type), keyLike.values(type))
    forEachBlock(shape) { block, element in
      let target = output.values(type) + element
      if !block.keys.isEmpty {
        shape.multiplyScores(
          block, queries, keys, into: target + block.keys.lowerBound,
          scoreStride: shape.keySequence, alpha: alpha)
      }
      for (line, query) in block.queries.enumerated() {
        let row = target + line * shape.keySequence
        let visible = shape.visibleKeys(ofQuery: query)
        row.update(repeating: masked, count: visible.lowerBound)
        (row + visible.upperBound).update(
          repeating: masked, count: shape.keySequence - visible.upperBound)
      }
    }
  }

  /// o [batch, querySequence, heads, width] = p v.
  package static func context(
    _ shape: AttentionShape, p: TensorView, v: TensorView, into o: TensorView
  ) {
    switch o.precision {
    case .single: queries(Float.self, shape, p, v, o, alpha: 1)
    case .double: queries(Double.self, shape, p, v, o, alpha: 1)
    }
  }

  /// dq = scale * ds k.
  package static func scoresGradientQuery(
    _ shape: AttentionShape, ds: TensorView, k: TensorView, into dq: TensorView
  ) {
    switch dq.precision {
    case .single: queries(Float.self, shape, ds, k, dq, alpha: shape.scale)
    case .double: queries(Double.self, shape, ds, k, dq, alpha: shape.scale)
    }
  }

  private static func queries<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ shape: AttentionShape, _ scores: TensorView, _ keyLike: TensorView,
    _ output: TensorView, alpha: Double
  ) {
    forEachBlock(shape) { block, element in
      shape.multiplyQueries(
        block, scores.values(type) + element + block.keys.lowerBound, keyLike.values(type),
        into: output.values(type), scoreStride: shape.keySequence, alpha: alpha)
    }
  }

  /// dv [batch, keySequence, keyValueHeads, width] = p^T dOut, summed over heads that share.
  package static func contextGradientValue(
    _ shape: AttentionShape, p: TensorView, dOut: TensorView, into dv: TensorView
  ) {
    switch dv.precision {
    case .single: keys(Float.self, shape, p, dOut, dv, alpha: 1)
    case .double: keys(Double.self, shape, p, dOut, dv, alpha: 1)
    }
  }

  /// dk [batch, keySequence, keyValueHeads, width] = scale * ds^T q, summed over heads that share.
  package static func scoresGradientKey(
    _ shape: AttentionShape, ds: TensorView, q: TensorView, into dk: TensorView
  ) {
    switch dk.precision {
    case .single: keys(Float.self, shape, ds, q, dk, alpha: shape.scale)
    case .double: keys(Double.self, shape, ds, q, dk, alpha: shape.scale)
    }
  }

  private static func keys<Scalar: KernelFloat>(
    _ type: Scalar.Type, _ shape: AttentionShape, _ scores: TensorView, _ queryLike: TensorView,
    _ output: TensorView, alpha: Double
  ) {
    ElementwiseKernels.zero(output)
    forEachBlock(shape) { block, element in
      guard !block.keys.isEmpty else { return }
      shape.addKeys(
        block, scores.values(type) + element + block.keys.lowerBound, queryLike.values(type),
        into: output.values(type), scoreStride: shape.keySequence, alpha: alpha)
    }
  }

  /// Every block, with where its first row starts in the [batch, heads, query, key] scores.
  @inline(__always)
  private static func forEachBlock(
    _ shape: AttentionShape, _ body: (_ block: AttentionBlock, _ element: Int) -> Void
  ) {
    shape.forEachHead { batch, head in
      let first = (batch * shape.heads + head) * shape.querySequence
      shape.forEachBlock(batch, head) { block in
        body(block, (first + block.queries.lowerBound) * shape.keySequence)
      }
    }
  }
}
