import Kernels
import PlanIR
import Testing

/// An attention problem with its operands drawn and its answer by the definition.
struct AttentionProblem {
  let shape: AttentionShape
  let draw: Draw
  let dropout: AttentionDropout?
  let q, k, v, dOut: [Double]

  init(_ shape: AttentionShape, _ draw: Draw, dropped: Double? = nil) {
    (self.shape, self.draw) = (shape, draw)
    dropout = dropped.map { probability in
      AttentionDropout(
        generator: CounterGenerator(seed: draw.seed, name: "dropout"), probability: probability,
        batchIndices: (0..<shape.batch).map { 5 - 2 * $0 }, globalHeads: 16,
        globalQuerySequence: 1000, globalKeySequence: 900)
    }
    let queries = shape.batch * shape.querySequence * shape.heads * shape.width
    let keys = shape.batch * shape.keySequence * shape.keyValueHeads * shape.width
    q = draw.numbers(queries, "q")
    k = draw.numbers(keys, "k")
    v = draw.numbers(keys, "v")
    dOut = draw.numbers(queries, "dOut")
  }

  var rows: Int { shape.batch * shape.heads * shape.querySequence }

  var expected: Naive.Attention {
    Naive.attention(shape, q: q, k: k, v: v, dOut: dOut, dropout: dropout)
  }

  func tensor(_ values: [Double]) -> Tensor { Tensor(values, draw.dtype) }
}

@Suite struct AttentionKernelsTests {
  /// Whole, grouped heads, windows, sharded heads, sharded sequence, more keys than queries.
  static let shapes = [
    AttentionShape(
      batch: 2, querySequence: 5, keySequence: 5, heads: 3, keyValueHeads: 3, width: 4,
      headsPerKeyValue: 1, causal: true, scale: 0.5),
    AttentionShape(
      batch: 1, querySequence: 131, keySequence: 131, heads: 2, keyValueHeads: 1, width: 7,
      headsPerKeyValue: 2, causal: true, scale: 0.4),
    AttentionShape(
      batch: 1, querySequence: 150, keySequence: 150, heads: 1, keyValueHeads: 1, width: 8,
      headsPerKeyValue: 1, causal: true, window: 20, scale: 0.3),
    AttentionShape(
      batch: 2, querySequence: 9, keySequence: 70, heads: 4, keyValueHeads: 1, width: 5,
      headOffset: 4, keyValueHeadOffset: 1, headsPerKeyValue: 4, queryOffset: 40, causal: true,
      scale: 0.3),
    AttentionShape(
      batch: 1, querySequence: 70, keySequence: 67, heads: 2, keyValueHeads: 2, width: 16,
      headsPerKeyValue: 1, queryOffset: 64, keyOffset: 90, causal: true, scale: 0.25),
    AttentionShape(
      batch: 1, querySequence: 33, keySequence: 65, heads: 2, keyValueHeads: 2, width: 3,
      headsPerKeyValue: 1, causal: false, scale: 0.6),
    AttentionShape(
      batch: 1, querySequence: 80, keySequence: 40, heads: 1, keyValueHeads: 1, width: 6,
      headsPerKeyValue: 1, queryOffset: 10, causal: false, window: 7, scale: 0.6),
  ]

  @Test(arguments: shapes.indices, [nil, 0.3])
  func `fused attention and its gradients agree with the definition`(
    _ index: Int, _ dropped: Double?
  ) {
    for dtype in precisions {
      expectFused(
        AttentionProblem(Self.shapes[index], Draw(seed: 51, dtype: dtype), dropped: dropped))
    }
  }

  func expectFused(_ problem: AttentionProblem) {
    let expected = problem.expected
    let (o, sums) = (problem.draw.empty(problem.q.count), problem.draw.empty(problem.rows))
    let tape = [problem.q, problem.k, problem.v].map(problem.tensor)
    AttentionKernels.forward(
      problem.shape, q: tape[0].view, k: tape[1].view, v: tape[2].view, dropout: problem.dropout,
      into: o.view, logSumExp: sums.view)
    expectClose(o.values, expected.o, problem.draw, single: 2e-6, "o")
    expectClose(sums.values, expected.logSumExp, problem.draw, single: 2e-6, "logSumExp")
    let (dq, dk, dv) = (
      problem.draw.empty(problem.q.count), problem.draw.empty(problem.k.count),
      problem.draw.empty(problem.k.count)
    )
    let dOut = problem.tensor(problem.dOut)
    AttentionKernels.backward(
      problem.shape,
      tape: AttentionTape(
        q: tape[0].view, k: tape[1].view, v: tape[2].view, o: o.view, logSumExp: sums.view),
      dOut: dOut.view, dropout: problem.dropout, into: dq.view, dk.view, dv.view)
    expectClose(dq.values, expected.dq, problem.draw, single: 5e-6, "dq")
    expectClose(dk.values, expected.dk, problem.draw, single: 1e-5, "dk")
    expectClose(dv.values, expected.dv, problem.draw, single: 1e-5, "dv")
  }

  @Test(arguments: shapes.indices, precisions)
  func `unfused attention and its gradients agree with the definition`(
    _ index: Int, _ dtype: DType
  ) {
    let problem = AttentionProblem(Self.shapes[index], Draw(seed: 52, dtype: dtype))
    let (shape, draw, expected) = (problem.shape, problem.draw, problem.expected)
    let (q, k, v) = (
      problem.tensor(problem.q), problem.tensor(problem.k), problem.tensor(problem.v)
    )
    let dOut = problem.tensor(problem.dOut)
    let size = problem.rows * shape.keySequence
    let (p, dp, o) = (draw.empty(size), draw.empty(size), draw.empty(problem.q.count))
    UnfusedAttentionKernels.scores(shape, q: q.view, k: k.view, into: p.view)
    UnfusedAttentionKernels.softmax(
      p.view, rows: problem.rows, columns: shape.keySequence, into: p.view)
    expectClose(p.values, expected.probabilities, draw, single: 1e-6, "p")
    UnfusedAttentionKernels.context(shape, p: p.view, v: v.view, into: o.view)
    expectClose(o.values, expected.o, draw, single: 2e-6, "o")
    let slope = draw.empty(problem.k.count)
    UnfusedAttentionKernels.contextGradientValue(
      shape, p: p.view, dOut: dOut.view, into: slope.view)
    expectClose(slope.values, expected.dv, draw, single: 1e-5, "dv")
    UnfusedAttentionKernels.contextGradientProbabilities(
      shape, dOut: dOut.view, v: v.view, into: dp.view)
    UnfusedAttentionKernels.softmaxGradient(
      dp: dp.view, p: p.view, rows: problem.rows, columns: shape.keySequence, into: dp.view)
    UnfusedAttentionKernels.scoresGradientQuery(shape, ds: dp.view, k: k.view, into: o.view)
    expectClose(o.values, expected.dq, draw, single: 5e-6, "dq")
    UnfusedAttentionKernels.scoresGradientKey(shape, ds: dp.view, q: q.view, into: slope.view)
    expectClose(slope.values, expected.dk, draw, single: 1e-5, "dk")
  }

  @Test(arguments: [nil, 0.4])
  func `the definition's gradients agree with central differences`(_ dropped: Double?) {
    let shape = AttentionShape(
      batch: 2, querySequence: 4, keySequence: 5, heads: 2, keyValueHeads: 1, width: 3,
      headsPerKeyValue: 2, queryOffset: 1, causal: true, window: 3, scale: 0.7)
    let problem = AttentionProblem(shape, Draw(seed: 53, dtype: .float64), dropped: dropped)
    let expected = problem.expected
    func output(_ q: [Double], _ k: [Double], _ v: [Double]) -> Double {
      let result = Naive.attention(
        shape, q: q, k: k, v: v, dOut: problem.dOut, dropout: problem.dropout)
      return inner(result.o, problem.dOut)
    }
    let (q, k, v) = (problem.q, problem.k, problem.v)
    expectClose(
      expected.dq, centralDifferences(q) { output($0, k, v) }, problem.draw, double: 1e-9)
    expectClose(
      expected.dk, centralDifferences(k) { output(q, $0, v) }, problem.draw, double: 1e-9)
    expectClose(
      expected.dv, centralDifferences(v) { output(q, k, $0) }, problem.draw, double: 1e-9)
  }

  @Test(arguments: shapes.indices)
  func `visible runs are those of the definition`(_ index: Int) {
    let shape = Self.shapes[index]
    for query in 0..<shape.querySequence {
      let seen = (0..<shape.keySequence).filter { Naive.sees(shape, query: query, key: $0) }
      #expect(Array(shape.visibleKeys(ofQuery: query)) == seen)
    }
  }
}
