/// What the backward pass of attention reads.
package struct AttentionTape: Sendable {
  package var q, k, v, o, logSumExp: TensorView

  /// The forward pass's inputs and outputs.
  package init(
    q: TensorView, k: TensorView, v: TensorView, o: TensorView, logSumExp: TensorView
  ) {
    self.q = q
    self.k = k
    self.v = v
    self.o = o
    self.logSumExp = logSumExp
  }
}

extension AttentionKernels {
  /// dq, dk and dv, shaped as q, k and v, from dOut shaped as o; overwrites all three, and sums dk
  /// and dv over the query heads that share a key-value head.
  ///
  /// A block at a time: P = exp(scores - logSumExp), dP = dOut v^T, dS = P (dP - sum(dOut o)).
  /// Scratch: 2 * min(64, querySequence) * keySequence elements, and keySequence bytes if
  /// dropping. The outputs must not overlap the
  /// inputs.
  package static func backward(
    _ shape: AttentionShape, tape: AttentionTape, dOut: TensorView, dropout: AttentionDropout?,
    into dq: TensorView, _ dk: TensorView, _ dv: TensorView
  ) {
    precondition(dOut.count == shape.queryCount && dq.count == dOut.count, "unlike queries")
    precondition(dk.count == shape.keyCount && dv.count == dk.count, "keys of another shape")
    ElementwiseKernels.zero(dk)
    ElementwiseKernels.zero(dv)
    switch dOut.precision {
    case .single: AttentionBackward<Float>(shape, tape, dOut, dropout, dq, dk, dv).run()
    case .double: AttentionBackward<Double>(shape, tape, dOut, dropout, dq, dk, dv).run()
    }
  }
}

/// One backward call with its operands in their element type.
struct AttentionBackward<Scalar: KernelFloat> {
  typealias Values = UnsafeMutablePointer<Scalar>
  let shape: AttentionShape
  let dropout: AttentionDropout?
  let q, k, v, o, logSumExp, dOut, dq, dk, dv: Values

  init(
    _ shape: AttentionShape, _ tape: AttentionTape, _ dOut: TensorView,
    _ dropout: AttentionDropout?, _ dq: TensorView, _ dk: TensorView, _ dv: TensorView
  ) {
    self.shape = shape
    self.dropout = dropout
    (q, k, v) = (tape.q.values(), tape.k.values(), tape.v.values())
    (o, logSumExp, self.dOut) = (tape.o.values(), tape.logSumExp.values(), dOut.values())
    (self.dq, self.dk, self.dv) = (dq.values(), dk.values(), dv.values())
  }

  func run() {
    withScratch(Scalar.self, count: 2 * shape.blockCount) { scratch in
      let (probabilities, gradients) = (scratch, scratch + shape.blockCount)
      shape.forEachHead { batch, head in
        shape.forEachBlock(batch, head) { run($0, probabilities, gradients) }
      }
    }
  }

  private func run(_ block: AttentionBlock, _ probabilities: Values, _ gradients: Values) {
    if !block.keys.isEmpty { addToKeys(block, shape, probabilities, gradients) }
    shape.multiplyQueries(
      block, gradients, k, into: dq, scoreStride: max(block.keys.count, 1), alpha: shape.scale)
  }

  /// Adds to dk and dv what a block that sees a key gives them; leaves the gradients of its scores in
  /// `gradients`. Positions are those of `shape`.
  func addToKeys(
    _ block: AttentionBlock, _ shape: AttentionShape, _ probabilities: Values, _ gradients: Values
  ) {
    let count = block.keys.count
    shape.multiplyScores(
      block, q, k, into: probabilities, scoreStride: count, alpha: shape.scale)
    shape.multiplyScores(block, dOut, v, into: gradients, scoreStride: count, alpha: 1)
    differentiate(block, shape, probabilities, gradients)
    shape.addKeys(block, probabilities, dOut, into: dv, scoreStride: count, alpha: 1)
    shape.addKeys(block, gradients, q, into: dk, scoreStride: count, alpha: shape.scale)
  }

  /// Scores become dropped probabilities, and gradients of those become gradients of scores.
  private func differentiate(
    _ block: AttentionBlock, _ shape: AttentionShape, _ probabilities: Values, _ gradients: Values
  ) {
    let count = block.keys.count
    let sums = logSumExp + (block.batch * shape.heads + block.head) * shape.querySequence
    for (line, query) in block.queries.enumerated() {
      let visible = block.visible(query, shape)
      let (row, slopes) = (probabilities + line * count, gradients + line * count)
      SoftmaxRow.restore(row, count: count, visible: visible, logSumExp: sums[query])
      let element = shape.queryElement(block.batch, query, block.head)
      let mean = Scalar(Loops.dot(dOut + element, o + element, count: shape.width))
      guard let dropout else {
        // Masked entries have probability zero, so they need no case of their own.
        for key in 0..<count { slopes[key] = row[key] * (slopes[key] - mean) }
        continue
      }
      withScratch(UInt8.self, count: count) { mask in
        dropout.fill(mask, block, query: query, shape: shape)
        let factor = DropoutKernels.keptFactor(dropout.probability, Scalar.self)
        drop(row, slopes, UnsafePointer(mask), count: count, mean: mean, factor: factor)
      }
    }
  }

  private func drop(
    _ row: Values, _ slopes: Values, _ mask: UnsafePointer<UInt8>, count: Int, mean: Scalar,
    factor: Scalar
  ) {
    for key in 0..<count {
      let kept = Scalar(byte: mask[key]) * factor
      slopes[key] = row[key] * (slopes[key] * kept - mean)
      row[key] *= kept
    }
  }
}
