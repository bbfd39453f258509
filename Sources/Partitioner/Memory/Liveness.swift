import PlanIR

/// Puts allocation into a body: each buffer just before its first write, freed just after its last
/// read; one that a collective uses, when the collective is awaited.
enum Liveness {
  static func body(_ body: Body) -> Body {
    var result = body
    let spans = spans(of: body)
    let taken = Set(body.takes.map(\.buffer))
    let given = Set(body.gives.map(\.buffer))
    var before: [Int: [BufferID]] = [:]
    var after: [Int: [BufferID]] = [:]
    for (buffer, description) in body.buffers.enumerated() where description.stored == nil {
      guard let span = spans[buffer] else { continue }
      if !taken.contains(buffer) { before[span.lowerBound, default: []].append(buffer) }
      if !given.contains(buffer) { after[span.upperBound, default: []].append(buffer) }
    }
    result.instructions = []
    for (index, instruction) in body.instructions.enumerated() {
      result.instructions += before[index, default: []].map { .allocate($0) }
      result.instructions.append(instruction)
      result.instructions += after[index, default: []].map { .free($0) }
    }
    let unused = body.takes.map(\.buffer).filter { spans[$0] == nil && !given.contains($0) }
    result.instructions = unused.map { .free($0) } + result.instructions
    return result
  }

  /// The first and last instruction that uses each buffer.
  private static func spans(of body: Body) -> [BufferID: ClosedRange<Int>] {
    var spans: [BufferID: ClosedRange<Int>] = [:]
    var started: [Token: [BufferID]] = [:]
    func use(_ buffer: BufferID, _ index: Int) {
      spans[buffer] = (spans[buffer]?.lowerBound ?? index)...index
    }
    for (index, instruction) in body.instructions.enumerated() {
      let (reads, writes) = instruction.accesses
      for buffer in reads + writes { use(buffer, index) }
      if case .start(let token, _, _, _, _) = instruction { started[token] = reads + writes }
      if case .await(let token) = instruction {
        for buffer in started[token, default: []] { use(buffer, index) }
      }
    }
    return spans
  }
}
