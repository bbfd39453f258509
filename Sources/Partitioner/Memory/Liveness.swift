import PlanIR

/// Puts allocation into a body: each buffer just before its first write, freed just after its last
/// read; one that a collective uses, when the collective is awaited.
enum Liveness {
  static func body(_ body: Body) -> Body {
    var result = body
    var spans = spans(of: body)
    var unused: [BufferID] = []
    // Whoever takes a buffer, or is given one, allocates it, or frees it.
    var (isTaken, isGiven) = (spans.map { _ in false }, spans.map { _ in false })
    for given in body.gives { isGiven[given.buffer] = true }
    for taken in body.takes {
      isTaken[taken.buffer] = true
      if spans[taken.buffer] == nil && !isGiven[taken.buffer] { unused.append(taken.buffer) }
    }
    for (buffer, description) in body.buffers.enumerated() where description.stored != nil {
      spans[buffer] = nil
    }
    let first = places(spans, of: body) { isTaken[$0] ? nil : $1.lowerBound }
    let last = places(spans, of: body) { isGiven[$0] ? nil : $1.upperBound }
    result.instructions = unused.map { .free($0) }
    result.instructions.reserveCapacity(body.instructions.count + 2 * body.buffers.count)
    for (index, instruction) in body.instructions.enumerated() {
      for buffer in first[index] { result.instructions.append(.allocate(buffer)) }
      result.instructions.append(instruction)
      for buffer in last[index] { result.instructions.append(.free(buffer)) }
    }
    return result
  }

  /// By instruction the buffers whose spans `place` puts there, ascending.
  private static func places(
    _ spans: [ClosedRange<Int>?], of body: Body, _ place: (BufferID, ClosedRange<Int>) -> Int?
  ) -> [[BufferID]] {
    var result = [[BufferID]](repeating: [], count: body.instructions.count)
    for (buffer, span) in spans.enumerated() {
      if let span, let index = place(buffer, span) { result[index].append(buffer) }
    }
    return result
  }

  /// By buffer the first and the last instruction that uses it; nil of one that none does.
  private static func spans(of body: Body) -> [ClosedRange<Int>?] {
    var spans = [ClosedRange<Int>?](repeating: nil, count: body.buffers.count)
    var started: [(token: Token, from: BufferID, into: BufferID)] = []
    func use(_ buffer: BufferID, _ index: Int) {
      spans[buffer] = (spans[buffer]?.lowerBound ?? index)...index
    }
    for (index, instruction) in body.instructions.enumerated() {
      switch instruction {
      case .kernel(let call):
        for buffer in call.reads { use(buffer, index) }
        for buffer in call.writes { use(buffer, index) }
      case .start(let token, _, _, let from, let into):
        use(from, index)
        use(into, index)
        started.append((token, from, into))
      case .await(let token):
        for own in started where own.token == token {
          use(own.from, index)
          use(own.into, index)
        }
        started.removeAll { $0.token == token }
      case .send(let buffer, _), .receive(let buffer, _), .settle(let buffer, _):
        use(buffer, index)
      case .allocate, .free: break
      }
    }
    return spans
  }
}
