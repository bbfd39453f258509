internal import PlanIR

#if canImport(Glibc)
  internal import Glibc
#endif

/// Attention one head at a time; probabilities are computed again going back, so that only one
/// head's square is ever kept.
struct AttentionHeads {
  let settings: AttentionSettings
  /// Of the query: batch, sequence, heads, head width.
  let shape: [Int]
  let keyHeads: Int
  let mask: DropoutMask
  let product: MatrixProduct

  private var sequence: Int { shape[1] }
  private var heads: Int { shape[2] }
  private var width: Int { shape[3] }

  /// The context [batch, sequence, heads, head_width] of [query, key, value].
  func forward(_ operands: [[Double]]) -> [Double] {
    var context = [Double](repeating: 0, count: operands[0].count)
    for row in 0..<shape[0] {
      for head in 0..<heads {
        let (query, key, value) = slices(of: operands, row, head)
        let weights = dropped(probabilities(query, key), row, head)
        add(product(weights, value), to: &context, row, head, of: heads)
      }
    }
    return context
  }

  /// The gradients of query, key and value from that of the context. With P the probabilities, M the
  /// dropout factors and G the context's gradient: dV = (M P)^T G, dP = M (G V^T),
  /// dS = scale P (dP - rowsum(P dP)), dQ = dS K, dK = dS^T Q.
  func backward(_ operands: [[Double]], _ gradient: [Double]) -> [[Double]] {
    var gradients = operands.map { [Double](repeating: 0, count: $0.count) }
    for row in 0..<shape[0] {
      for head in 0..<heads {
        let (query, key, value) = slices(of: operands, row, head)
        let slope = slice(of: gradient, row, head, of: heads)
        let plain = probabilities(query, key)
        let weights = dropped(plain, row, head)
        let scores = scoreGradient(
          plain, dropped(square(product(slope, value.transposed)), row, head))
        let keyHead = head / (heads / keyHeads)
        add(product(scores, key), to: &gradients[0], row, head, of: heads)
        add(product(scores.transposed, query), to: &gradients[1], row, keyHead, of: keyHeads)
        add(product(weights.transposed, slope), to: &gradients[2], row, keyHead, of: keyHeads)
      }
    }
    return gradients
  }

  /// The softmax of the scaled scores [sequence, sequence] over the keys each query sees.
  private func probabilities(_ query: Matrix, _ key: Matrix) -> Matrix {
    var elements = product(query, key.transposed)
    for position in 0..<sequence {
      let row = position * sequence
      let seen = (0..<sequence).filter { isVisible(key: $0, to: position) }
      let maximum = seen.map { elements[row + $0] * settings.scale }.max() ?? 0
      let exponentials = seen.map { exp(elements[row + $0] * settings.scale - maximum) }
      let sum = exponentials.reduce(0, +)
      for index in row..<row + sequence { elements[index] = 0 }
      for (key, exponential) in zip(seen, exponentials) { elements[row + key] = exponential / sum }
    }
    return square(elements)
  }

  private func isVisible(key: Int, to query: Int) -> Bool {
    if settings.causal && key > query { return false }
    guard let window = settings.window else { return true }
    return query - key < window
  }

  private func scoreGradient(_ probabilities: Matrix, _ gradient: Matrix) -> Matrix {
    var elements = probabilities.elements
    for row in 0..<sequence {
      let places = row * sequence..<(row + 1) * sequence
      var sum = 0.0
      for index in places { sum += elements[index] * gradient.elements[index] }
      for index in places {
        elements[index] *= (gradient.elements[index] - sum) * settings.scale
      }
    }
    return square(elements)
  }

  /// `matrix` times the dropout factors of one head, whose place among all is
  /// ((row * heads + head) * sequence + query) * sequence + key.
  private func dropped(_ matrix: Matrix, _ row: Int, _ head: Int) -> Matrix {
    let start = (row * heads + head) * sequence * sequence
    var elements = matrix.elements
    for index in elements.indices { elements[index] *= mask[start + index] }
    return square(elements)
  }

  // MARK: - Heads

  private func square(_ elements: [Double]) -> Matrix { Matrix(sequence, sequence, elements) }

  private func slices(
    of operands: [[Double]], _ row: Int, _ head: Int
  ) -> (query: Matrix, key: Matrix, value: Matrix) {
    let keyHead = head / (heads / keyHeads)
    return (
      slice(of: operands[0], row, head, of: heads),
      slice(of: operands[1], row, keyHead, of: keyHeads),
      slice(of: operands[2], row, keyHead, of: keyHeads)
    )
  }

  /// Head `head` of `count` of sequence `row`, [sequence, head_width].
  private func slice(of elements: [Double], _ row: Int, _ head: Int, of count: Int) -> Matrix {
    let starts = (0..<sequence).map { ((row * sequence + $0) * count + head) * width }
    return Matrix(sequence, width, starts.flatMap { elements[$0..<$0 + width] })
  }

  /// Adds [sequence, head_width] to that head.
  private func add(
    _ part: [Double], to elements: inout [Double], _ row: Int, _ head: Int, of count: Int
  ) {
    for position in 0..<sequence {
      let start = ((row * sequence + position) * count + head) * width
      for index in 0..<width { elements[start + index] += part[position * width + index] }
    }
  }
}
