import Kernels
import PlanIR
import Testing

/// A ring of attention in one thread: every device's queries against every device's keys, a step at a
/// time, held against attention to all keys by the definition.
struct RingProblem {
  /// Extents of one device; positions are those of `order`.
  let shape: AttentionShape
  let parts: Int
  let draw: Draw
  let dropout: AttentionDropout?
  let q, k, v, dOut: [Tensor]
  let o, sums, dq, dk, dv: [Tensor]

  init(_ shape: AttentionShape, parts: Int, _ draw: Draw, dropped: Double?) {
    (self.shape, self.parts, self.draw) = (shape, parts, draw)
    let length = shape.querySequence * parts
    dropout = dropped.map { probability in
      AttentionDropout(
        generator: CounterGenerator(seed: draw.seed, name: "dropout"), probability: probability,
        batchIndices: (0..<shape.batch).map { 3 - $0 }, globalHeads: 16,
        globalQuerySequence: length, globalKeySequence: length)
    }
    let queries = shape.batch * shape.querySequence * shape.heads * shape.width
    let keys = shape.batch * shape.keySequence * shape.keyValueHeads * shape.width
    let rows = shape.batch * shape.heads * shape.querySequence
    func drawn(_ count: Int, _ name: String) -> [Tensor] {
      (0..<parts).map { draw.tensor(count, "\(name)\($0)") }
    }
    func empty(_ count: Int) -> [Tensor] { (0..<parts).map { _ in draw.empty(count) } }
    (q, k) = (drawn(queries, "q"), drawn(keys, "k"))
    (v, dOut) = (drawn(keys, "v"), drawn(queries, "dOut"))
    (o, sums, dq) = (empty(queries), empty(rows), empty(queries))
    (dk, dv) = (empty(keys), empty(keys))
  }

  var length: Int { shape.querySequence * parts }

  private func places(_ part: Int) -> Range<Int> {
    part * shape.querySequence..<(part + 1) * shape.querySequence
  }

  private func step(_ device: Int, hops: Int) -> (step: AttentionStep, source: Int) {
    let order = SequenceOrder.zigzag(parts: parts)
    let source = (device - hops + parts) % parts
    return (
      AttentionStep(
        shape, queries: order.runs(of: places(device), among: length),
        keys: order.runs(of: places(source), among: length)), source
    )
  }

  /// All steps forward, then all backward: the first of each device is on its own keys, whose
  /// gradients it writes and the others add to.
  func run() {
    for hops in 0..<parts {
      for device in 0..<parts {
        let (step, source) = step(device, hops: hops)
        AttentionKernels.forward(
          step, q: q[device].view, k: k[source].view, v: v[source].view, dropout: dropout,
          into: o[device].view, logSumExp: sums[device].view, isFirst: hops == 0)
      }
    }
    for hops in 0..<parts {
      for device in 0..<parts {
        let (step, source) = step(device, hops: hops)
        AttentionKernels.backward(
          step, tape: tape(device, source), dOut: dOut[device].view, dropout: dropout,
          into: dq[device].view, dk[source].view, dv[source].view, isFirst: hops == 0)
      }
    }
  }

  private func tape(_ device: Int, _ source: Int) -> AttentionTape {
    AttentionTape(
      q: q[device].view, k: k[source].view, v: v[source].view, o: o[device].view,
      logSumExp: sums[device].view)
  }

  // MARK: - One head, whole

  /// One head of a value of all devices, in the order of places: [row, width].
  func head(_ parts: [Tensor], _ batch: Int, _ head: Int, of heads: Int) -> [Double] {
    parts.flatMap { part in
      (0..<shape.querySequence).flatMap { row -> [Double] in
        let start = ((batch * shape.querySequence + row) * heads + head) * shape.width
        return (0..<shape.width).map { part[start + $0] }
      }
    }
  }

  /// One query head by the definition; keys' gradients are this head's share.
  func expected(_ batch: Int, _ head: Int) -> Naive.PositionedAttention {
    let positions = SequenceOrder.zigzag(parts: parts).positions(of: 0..<length, among: length)
    let (shared, heads) = (shape.keyValueHead(of: head), shape.keyValueHeads)
    return Naive.PositionedAttention(
      shape, queryPositions: positions, keyPositions: positions,
      q: self.head(q, batch, head, of: shape.heads), k: self.head(k, batch, shared, of: heads),
      v: self.head(v, batch, shared, of: heads),
      dOut: self.head(dOut, batch, head, of: shape.heads)
    ) { query, key in
      guard let dropout else { return 1 }
      let outer = dropout.batchIndices[batch] * 16 + shape.headOffset + head
      let index = UInt64((outer * length + query) * length + key)
      let isKept = dropout.generator.uniform(at: index) >= dropout.probability
      return isKept ? 1 / (1 - dropout.probability) : 0
    }
  }
}

@Suite struct AttentionStepTests {
  /// Blocks of more rows than are taken at once, shared and sharded heads, windows, no mask.
  static let problems: [(shape: AttentionShape, parts: Int)] = [
    (shape(batch: 2, rows: 6, heads: 2, keyValueHeads: 2, causal: true), 2),
    (shape(batch: 1, rows: 4, heads: 4, keyValueHeads: 1, causal: true, offset: 4), 4),
    (shape(batch: 1, rows: 150, heads: 1, keyValueHeads: 1, causal: true), 3),
    (shape(batch: 2, rows: 12, heads: 2, keyValueHeads: 1, causal: true, window: 7), 3),
    (shape(batch: 1, rows: 10, heads: 2, keyValueHeads: 2, causal: false), 2),
    (shape(batch: 1, rows: 6, heads: 1, keyValueHeads: 1, causal: false, window: 3), 1),
  ]

  private static func shape(
    batch: Int, rows: Int, heads: Int, keyValueHeads: Int, causal: Bool, window: Int? = nil,
    offset: Int = 0
  ) -> AttentionShape {
    let group = heads / keyValueHeads
    return AttentionShape(
      batch: batch, querySequence: rows, keySequence: rows, heads: heads,
      keyValueHeads: keyValueHeads, width: 5, headOffset: offset,
      keyValueHeadOffset: offset / group, headsPerKeyValue: group, causal: causal, window: window,
      scale: 0.6)
  }

  @Test(arguments: problems.indices, [nil, 0.3])
  func `steps in the order of a ring are attention to all keys`(
    _ index: Int, _ dropped: Double?
  ) {
    let (shape, parts) = Self.problems[index]
    for dtype in precisions {
      let draw = Draw(seed: 54, dtype: dtype)
      let problem = RingProblem(shape, parts: parts, draw, dropped: dropped)
      problem.run()
      for batch in 0..<shape.batch {
        for shared in 0..<shape.keyValueHeads { expect(problem, batch, shared) }
      }
    }
  }

  private func expect(_ problem: RingProblem, _ batch: Int, _ shared: Int) {
    let (shape, draw) = (problem.shape, problem.draw)
    var dk = [Double](repeating: 0, count: problem.length * shape.width)
    var dv = dk
    for head in 0..<shape.heads where shape.keyValueHead(of: head) == shared {
      let expected = problem.expected(batch, head)
      let o = problem.head(problem.o, batch, head, of: shape.heads)
      expectClose(o, expected.o, draw, single: 3e-6, "o")
      let sums = problem.sums.flatMap { part in
        (0..<shape.querySequence).map {
          part[(batch * shape.heads + head) * shape.querySequence + $0]
        }
      }
      expectClose(sums, expected.logSumExp, draw, single: 3e-6, "logSumExp")
      let dq = problem.head(problem.dq, batch, head, of: shape.heads)
      expectClose(dq, expected.dq, draw, single: 5e-6, "dq")
      for place in dk.indices {
        dk[place] += expected.dk[place]
        dv[place] += expected.dv[place]
      }
    }
    let heads = shape.keyValueHeads
    let found = (
      problem.head(problem.dk, batch, shared, of: heads),
      problem.head(problem.dv, batch, shared, of: heads)
    )
    expectClose(found.0, dk, draw, single: 2e-5, "dk")
    expectClose(found.1, dv, draw, single: 2e-5, "dv")
  }

  @Test(arguments: precisions)
  func `keys that no query sees are not read`(_ dtype: DType) {
    let draw = Draw(seed: 55, dtype: dtype)
    let shape = Self.shape(batch: 1, rows: 4, heads: 1, keyValueHeads: 1, causal: true)
    func run(at position: Int) -> SequenceRun { SequenceRun(row: 0, position: position, count: 4) }
    let step = AttentionStep(shape, queries: [run(at: 0)], keys: [run(at: 4)])
    let (q, o, sums) = (draw.tensor(20, "q"), draw.tensor(20, "o"), draw.tensor(4, "sums"))
    let poison = Tensor([Double](repeating: .nan, count: 20), dtype)
    let before = (o.values, sums.values)
    AttentionKernels.forward(
      step, q: q.view, k: poison.view, v: poison.view, dropout: nil, into: o.view,
      logSumExp: sums.view, isFirst: false)
    let isUntouched = o.values == before.0 && sums.values == before.1
    #expect(isUntouched)
    AttentionKernels.forward(
      step, q: q.view, k: poison.view, v: poison.view, dropout: nil, into: o.view,
      logSumExp: sums.view, isFirst: true)
    let isEmpty =
      o.values.allSatisfy { $0 == 0 } && sums.values.allSatisfy { $0 == -.infinity }
    #expect(isEmpty)
  }
}
