/// One block of attention: some query rows of one head against the run of keys they see.
struct AttentionBlock {
  var batch, head: Int
  var queries: Range<Int>
  /// Local keys, by local row; no others are touched.
  var keys: Range<Int>

  /// The keys local query row `query` sees, counted from the block's first.
  func visible(_ query: Int, _ shape: AttentionShape) -> Range<Int> {
    let seen = shape.visibleKeys(ofQuery: query).clamped(to: keys)
    guard !seen.isEmpty else { return 0..<0 }
    return seen.lowerBound - keys.lowerBound..<seen.upperBound - keys.lowerBound
  }
}

extension AttentionShape {
  /// The blocks of one head, from the first query rows to the last; blocks with no visible key
  /// come with empty `keys`.
  @inline(__always)
  func forEachBlock(_ batch: Int, _ head: Int, _ body: (AttentionBlock) -> Void) {
    for start in stride(from: 0, to: querySequence, by: attentionBlockRows) {
      let queries = start..<min(start + attentionBlockRows, querySequence)
      let keys = visibleKeys(ofQueries: queries)
      body(AttentionBlock(batch: batch, head: head, queries: queries, keys: keys))
    }
  }

  /// Elements of the largest block of scores.
  var blockCount: Int { min(attentionBlockRows, querySequence) * keySequence }

  /// The rows of a block in q, o or their gradients.
  func queryRows<Scalar: KernelFloat>(
    _ base: UnsafeMutablePointer<Scalar>, _ block: AttentionBlock
  ) -> UnsafeMutablePointer<Scalar> {
    base + queryElement(block.batch, block.queries.lowerBound, block.head)
  }

  /// The rows of a block in k, v or their gradients.
  func keyRows<Scalar: KernelFloat>(
    _ base: UnsafeMutablePointer<Scalar>, _ block: AttentionBlock
  ) -> UnsafeMutablePointer<Scalar> {
    base + keyElement(block.batch, block.keys.lowerBound, keyValueHead(of: block.head))
  }

  /// The products every attention is made of, on one block: `scores` is [queries, keys] with rows
  /// `scoreStride` apart, query-like rows are [queries, width], key-like rows [keys, width].
  /// scores = alpha * (query-like) (key-like)^T.
  func multiplyScores<Scalar: KernelFloat>(
    _ block: AttentionBlock, _ queryLike: UnsafeMutablePointer<Scalar>,
    _ keyLike: UnsafeMutablePointer<Scalar>, into scores: UnsafeMutablePointer<Scalar>,
    scoreStride: Int, alpha: Double
  ) {
    Scalar.multiply(
      MatrixOperand(queryRows(queryLike, block), stride: queryStride),
      MatrixOperand(keyRows(keyLike, block), stride: keyStride, transposed: true),
      into: scores, stride: scoreStride, m: block.queries.count, n: block.keys.count, k: width,
      alpha: Scalar(alpha), beta: 0)
  }

  /// query-like += alpha * scores (key-like), of a block that sees a key.
  func addQueries<Scalar: KernelFloat>(
    _ block: AttentionBlock, _ scores: UnsafeMutablePointer<Scalar>,
    _ keyLike: UnsafeMutablePointer<Scalar>, into queryLike: UnsafeMutablePointer<Scalar>,
    scoreStride: Int, alpha: Double
  ) {
    Scalar.multiply(
      MatrixOperand(scores, stride: scoreStride),
      MatrixOperand(keyRows(keyLike, block), stride: keyStride),
      into: queryRows(queryLike, block), stride: queryStride, m: block.queries.count, n: width,
      k: block.keys.count, alpha: Scalar(alpha), beta: 1)
  }

  /// query-like = alpha * scores (key-like); zeros where the block sees no key.
  func multiplyQueries<Scalar: KernelFloat>(
    _ block: AttentionBlock, _ scores: UnsafeMutablePointer<Scalar>,
    _ keyLike: UnsafeMutablePointer<Scalar>, into queryLike: UnsafeMutablePointer<Scalar>,
    scoreStride: Int, alpha: Double
  ) {
    guard !block.keys.isEmpty else {
      for row in block.queries {
        Loops.zero(queryLike + queryElement(block.batch, row, block.head), count: width)
      }
      return
    }
    Scalar.multiply(
      MatrixOperand(scores, stride: scoreStride),
      MatrixOperand(keyRows(keyLike, block), stride: keyStride),
      into: queryRows(queryLike, block), stride: queryStride, m: block.queries.count, n: width,
      k: block.keys.count, alpha: Scalar(alpha), beta: 0)
  }

  /// key-like += alpha * scores^T (query-like).
  func addKeys<Scalar: KernelFloat>(
    _ block: AttentionBlock, _ scores: UnsafeMutablePointer<Scalar>,
    _ queryLike: UnsafeMutablePointer<Scalar>, into keyLike: UnsafeMutablePointer<Scalar>,
    scoreStride: Int, alpha: Double
  ) {
    Scalar.multiply(
      MatrixOperand(scores, stride: scoreStride, transposed: true),
      MatrixOperand(queryRows(queryLike, block), stride: queryStride),
      into: keyRows(keyLike, block), stride: keyStride, m: block.keys.count, n: width,
      k: block.queries.count, alpha: Scalar(alpha), beta: 1)
  }
}
