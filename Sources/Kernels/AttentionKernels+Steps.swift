import PlanIR

/// Attention over a sequence in parts, a part of the keys at a time, in any order (Liu et al., Ring
/// Attention with Blockwise Transformers, arXiv 2310.01889, section 3).
extension AttentionKernels {
  /// Takes the step's keys into o [batch, querySequence, heads, width] and logSumExp [batch, heads,
  /// querySequence], which hold attention to all that the queries have seen before; to nothing where
  /// it `isFirst`. After the last step they are what ``forward(_:q:k:v:dropout:into:logSumExp:)`` gives.
  ///
  /// Masks are drawn by position. Scratch: min(64, querySequence) * keySequence elements, and
  /// keySequence bytes if dropping. The outputs must not overlap the inputs.
  package static func forward(
    _ step: AttentionStep, q: TensorView, k: TensorView, v: TensorView,
    dropout: AttentionDropout?, into o: TensorView, logSumExp: TensorView, isFirst: Bool
  ) {
    let shape = step.shape
    precondition(q.count == shape.queryCount && o.count == q.count, "queries of another shape")
    precondition(k.count == shape.keyCount && v.count == k.count, "keys of another shape")
    if isFirst { ElementwiseKernels.zero(o) }
    let tape = AttentionTape(q: q, k: k, v: v, o: o, logSumExp: logSumExp)
    switch q.precision {
    case .single: AttentionAdvance<Float>(step, tape, dropout).run(isFirst: isFirst)
    case .double: AttentionAdvance<Double>(step, tape, dropout).run(isFirst: isFirst)
    }
  }

  /// Adds the gradients that the step's pairs of queries and keys contribute to dq, dk and dv, or
  /// writes them where it `isFirst`; the tape's o and logSumExp are those after the last step.
  ///
  /// Scratch: 2 * min(64, querySequence) * keySequence elements, and keySequence bytes if dropping.
  package static func backward(
    _ step: AttentionStep, tape: AttentionTape, dOut: TensorView, dropout: AttentionDropout?,
    into dq: TensorView, _ dk: TensorView, _ dv: TensorView, isFirst: Bool
  ) {
    let shape = step.shape
    precondition(dOut.count == shape.queryCount && dq.count == dOut.count, "unlike queries")
    precondition(dk.count == shape.keyCount && dv.count == dk.count, "keys of another shape")
    if isFirst { for gradient in [dq, dk, dv] { ElementwiseKernels.zero(gradient) } }
    switch dOut.precision {
    case .single: AttentionBackward<Float>(shape, tape, dOut, dropout, dq, dk, dv).run(step)
    case .double: AttentionBackward<Double>(shape, tape, dOut, dropout, dq, dk, dv).run(step)
    }
  }
}

/// One forward step with its operands in their element type.
private struct AttentionAdvance<Scalar: KernelFloat> {
  typealias Values = UnsafeMutablePointer<Scalar>
  let step: AttentionStep
  let dropout: AttentionDropout?
  let q, k, v, o, logSumExp: Values

  init(_ step: AttentionStep, _ tape: AttentionTape, _ dropout: AttentionDropout?) {
    self.step = step
    self.dropout = dropout
    (q, k, v) = (tape.q.values(), tape.k.values(), tape.v.values())
    (o, logSumExp) = (tape.o.values(), tape.logSumExp.values())
  }

  func run(isFirst: Bool) {
    let shape = step.shape
    if isFirst {
      let rows = shape.batch * shape.heads * shape.querySequence
      logSumExp.update(repeating: -.infinity, count: rows)
    }
    withScratch(Scalar.self, count: shape.blockCount) { scores in
      shape.forEachHead { batch, head in
        step.forEachBlock(batch, head) { block, placed in
          let count = block.keys.count
          placed.multiplyScores(
            block, q, k, into: scores, scoreStride: count, alpha: placed.scale)
          absorb(scores, block, placed)
          placed.addQueries(block, scores, v, into: o, scoreStride: count, alpha: 1)
        }
      }
    }
  }

  /// Scores to probabilities among all seen so far, dropped where asked; what was summed before is
  /// scaled to them.
  private func absorb(_ scores: Values, _ block: AttentionBlock, _ placed: AttentionShape) {
    let count = block.keys.count
    let sums = logSumExp + (block.batch * placed.heads + block.head) * placed.querySequence
    for (line, query) in block.queries.enumerated() {
      let row = scores + line * count
      let factor = SoftmaxRow.absorb(
        row, count: count, visible: block.visible(query, placed), into: &sums[query])
      let output = o + placed.queryElement(block.batch, query, block.head)
      Loops.map(output, into: output, count: placed.width) { $0 * factor }
      guard let dropout else { continue }
      withScratch(UInt8.self, count: count) { mask in
        dropout.fill(mask, block, query: query, shape: placed)
        let kept = DropoutKernels.keptFactor(dropout.probability, Scalar.self)
        DropoutKernels.apply(mask, UnsafePointer(row), row, count: count, factor: kept)
      }
    }
  }
}

extension AttentionBackward {
  /// Adds what all blocks of `step` contribute.
  fileprivate func run(_ step: AttentionStep) {
    withScratch(Scalar.self, count: 2 * shape.blockCount) { scratch in
      let (probabilities, gradients) = (scratch, scratch + shape.blockCount)
      shape.forEachHead { batch, head in
        step.forEachBlock(batch, head) { block, placed in
          addToKeys(block, placed, probabilities, gradients)
          placed.addQueries(
            block, gradients, k, into: dq, scoreStride: block.keys.count, alpha: placed.scale)
        }
      }
    }
  }
}
