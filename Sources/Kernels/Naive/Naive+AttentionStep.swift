import Glibc

extension Naive {
  /// Attention of one head's queries to keys at any positions, with its gradients, by the definition:
  /// every list is [row, width] or [row].
  package struct PositionedAttention {
    package var o, logSumExp, dq, dk, dv: [Double]

    /// Attends to keys at `keyPositions` as `shape` has causality, window, scale and width; `kept` is
    /// what the probability of a query's and a key's positions is multiplied by.
    package init(
      _ shape: AttentionShape, queryPositions: [Int], keyPositions: [Int], q: [Double],
      k: [Double], v: [Double], dOut: [Double], kept: (_ query: Int, _ key: Int) -> Double
    ) {
      let width = shape.width
      (o, dq) = (q.map { _ in 0 }, q.map { _ in 0 })
      (dk, dv) = (k.map { _ in 0 }, k.map { _ in 0 })
      logSumExp = queryPositions.map { _ in -.infinity }
      func dot(_ x: [Double], _ i: Int, _ y: [Double], _ j: Int) -> Double {
        (0..<width).reduce(0) { $0 + x[i * width + $1] * y[j * width + $1] }
      }
      for (row, query) in queryPositions.enumerated() {
        let seen = keyPositions.indices.filter { index in
          let distance = query - keyPositions[index]
          return (!shape.causal || distance >= 0) && (shape.window.map { distance < $0 } ?? true)
        }
        let powers = seen.map { exp(shape.scale * dot(q, row, k, $0)) }
        let sum = powers.reduce(0, +)
        guard sum > 0 else { continue }
        logSumExp[row] = log(sum)
        let factors = seen.map { kept(query, keyPositions[$0]) }
        let upstream = zip(seen, factors).map { dot(dOut, row, v, $0) * $1 }
        let mean = zip(powers, upstream).reduce(0) { $0 + $1.0 / sum * $1.1 }
        for (place, key) in seen.enumerated() {
          let probability = powers[place] / sum
          let slope = shape.scale * probability * (upstream[place] - mean)
          for element in 0..<width {
            let (left, right) = (row * width + element, key * width + element)
            o[left] += probability * factors[place] * v[right]
            dq[left] += slope * k[right]
            dk[right] += slope * q[left]
            dv[right] += probability * factors[place] * dOut[left]
          }
        }
      }
    }
  }
}
