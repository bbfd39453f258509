import Glibc
import PlanIR

extension Naive {
  /// What attention computes and, for a gradient of its output, what flows back.
  package struct Attention {
    package var o, logSumExp, dq, dk, dv: [Double]
    /// [batch, heads, query, key], after the mask and before dropout.
    package var probabilities: [Double]
  }

  /// Attention and its gradients, one query row at a time, as ``AttentionKernels`` documents it.
  package static func attention(
    _ shape: AttentionShape, q: [Double], k: [Double], v: [Double], dOut: [Double],
    dropout: AttentionDropout?
  ) -> Attention {
    let rows = shape.batch * shape.heads * shape.querySequence
    var result = Attention(
      o: q.map { _ in 0 }, logSumExp: [Double](repeating: -.infinity, count: rows),
      dq: q.map { _ in 0 }, dk: k.map { _ in 0 }, dv: v.map { _ in 0 },
      probabilities: [Double](repeating: 0, count: rows * shape.keySequence))
    for batch in 0..<shape.batch {
      for head in 0..<shape.heads {
        for query in 0..<shape.querySequence {
          let row = AttentionRow(shape: shape, batch: batch, head: head, query: query)
          row.run(q, k, v, dOut, dropout, &result)
        }
      }
    }
    return result
  }

  /// Whether local query row `query` sees local key row `key`, by the definition.
  package static func sees(_ shape: AttentionShape, query: Int, key: Int) -> Bool {
    let distance = shape.queryOffset + query - shape.keyOffset - key
    return (!shape.causal || distance >= 0) && (shape.window.map { distance < $0 } ?? true)
  }
}

/// One query row of one head.
private struct AttentionRow {
  var shape: AttentionShape
  var batch, head, query: Int

  private var queryStart: Int {
    ((batch * shape.querySequence + query) * shape.heads + head) * shape.width
  }

  private func keyStart(_ key: Int) -> Int {
    let shared = (shape.headOffset + head) / shape.headsPerKeyValue - shape.keyValueHeadOffset
    return ((batch * shape.keySequence + key) * shape.keyValueHeads + shared) * shape.width
  }

  private func dot(_ x: [Double], _ y: [Double], key: Int) -> Double {
    (0..<shape.width).reduce(0) { $0 + x[queryStart + $1] * y[keyStart(key) + $1] }
  }

  private func factor(_ dropout: AttentionDropout?, key: Int) -> Double {
    guard let dropout else { return 1 }
    let outer = dropout.batchIndices[batch] * dropout.globalHeads + shape.headOffset + head
    let row = outer * dropout.globalQuerySequence + shape.queryOffset + query
    let index = UInt64(row * dropout.globalKeySequence + shape.keyOffset + key)
    let kept = dropout.generator.uniform(at: index) >= dropout.probability
    return kept ? 1 / (1 - dropout.probability) : 0
  }

  func run(
    _ q: [Double], _ k: [Double], _ v: [Double], _ dOut: [Double], _ dropout: AttentionDropout?,
    _ result: inout Naive.Attention
  ) {
    let keys = (0..<shape.keySequence).filter { Naive.sees(shape, query: query, key: $0) }
    let powers = keys.map { exp(shape.scale * dot(q, k, key: $0)) }
    let sum = powers.reduce(0, +)
    guard sum > 0 else { return }
    let row = (batch * shape.heads + head) * shape.querySequence + query
    result.logSumExp[row] = log(sum)
    let factors = keys.map { factor(dropout, key: $0) }
    let upstream = zip(keys, factors).map { dot(dOut, v, key: $0) * $1 }
    let mean = zip(powers, upstream).reduce(0) { $0 + $1.0 / sum * $1.1 }
    for (index, key) in keys.enumerated() {
      let probability = powers[index] / sum
      result.probabilities[row * shape.keySequence + key] = probability
      let slope = shape.scale * probability * (upstream[index] - mean)
      let start = keyStart(key)
      for element in 0..<shape.width {
        result.o[queryStart + element] += probability * factors[index] * v[start + element]
        result.dq[queryStart + element] += slope * k[start + element]
        result.dk[start + element] += slope * q[queryStart + element]
        result.dv[start + element] += probability * factors[index] * dOut[queryStart + element]
      }
    }
  }
}
