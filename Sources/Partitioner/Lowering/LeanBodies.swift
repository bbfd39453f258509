import PlanIR

/// A block's forward pass that keeps less for the backward, and what computes the rest again before it.
struct LeanBodies {
  var forward: Body
  /// Nil where nothing was left out.
  var recompute: Body?

  /// The same with every body changed by `change`.
  func map(_ change: (Body) -> Body) -> LeanBodies {
    LeanBodies(forward: change(forward), recompute: recompute.map(change))
  }

  /// Full recomputation (Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016): a layer keeps
  /// its input alone. Its first block keeps it; its last need not hand the stream on again.
  static func full(_ forward: Body, isFirst: Bool, isLast: Bool) -> LeanBodies {
    guard let stream = forward.takes.first(where: { $0.slot == .stream }) else {
      return LeanBodies(forward: forward, recompute: nil)
    }
    let input = SlotBuffer(.kept("recompute.input"), stream.buffer)
    let (kept, handed) = (forward.gives.filter(\.isKept), forward.gives.filter { !$0.isKept })
    let keeping = isFirst ? forward.leaving(stream.buffer) : forward
    var recompute = forward.recomputing(
      kept + (isLast ? [] : handed), taking: [isFirst ? input : stream])
    recompute.repeated = forward.priced
    return LeanBodies(
      forward: keeping.giving(keeping.gives.filter { !$0.isKept } + (isFirst ? [input] : [])),
      recompute: recompute)
  }

  /// Selective recomputation (Korthikanti et al., Reducing Activation Recomputation in Large Transformer
  /// Models, 2022, section 5): all is kept but what lies between queries and keys and the attention's
  /// context.
  static func selective(_ forward: Body) -> LeanBodies {
    let core = forward.attentionCore
    let left = forward.gives.filter { $0.isKept && core.contains($0.buffer) }
    guard !left.isEmpty else { return LeanBodies(forward: forward, recompute: nil) }
    let others = forward.gives.filter { !left.contains($0) }
    return LeanBodies(
      forward: forward.giving(others),
      recompute: forward.recomputing(left, outOf: others.filter(\.isKept)))
  }
}

extension SlotBuffer {
  fileprivate var isKept: Bool {
    if case .kept = slot { true } else { false }
  }
}

extension Body {
  /// Its kernels and collectives.
  fileprivate var priced: [Instruction] {
    instructions.filter { instruction in
      switch instruction {
      case .kernel, .start: true
      default: false
      }
    }
  }

  /// What attention computes from queries and keys up to what it multiplies the values by; nothing of
  /// fused attention, whose inside is never stored.
  fileprivate var attentionCore: Set<BufferID> {
    var core: Set<BufferID> = []
    for case .kernel(let call) in instructions {
      guard case .operation(let kind) = call.kind else { continue }
      let isInside = call.reads.contains(where: core.contains)
      let isEnd = kind.name == "attention-context"
      if kind.name == "attention-scores" || (isInside && !isEnd) { core.formUnion(call.writes) }
    }
    return core
  }

  /// The same code that hands on `gives` alone.
  fileprivate func giving(_ gives: [SlotBuffer]) -> Body {
    var body = self
    body.gives = gives
    return body.withNeeded(from: [])
  }

  /// The same code that leaves in `buffer` what it takes in it, and hands that on to no one: what works in place on
  /// it works on another.
  fileprivate func leaving(_ buffer: BufferID) -> Body {
    let writer = instructions.firstIndex { $0.accesses.writes.contains(buffer) }
    let isHanded = gives.contains { !$0.isKept && $0.buffer == buffer }
    guard writer != nil || isHanded else { return self }
    var body = self
    let (other, place) = (buffers.count, writer ?? instructions.count)
    body.buffers.append(buffers[buffer])
    if writer != nil, case .kernel(var call) = instructions[place], !call.accumulate {
      call.writes = call.writes.map { $0 == buffer ? other : $0 }
      body.instructions[place] = .kernel(call)
    } else {
      let copy = KernelCall(.copy, reads: [buffer], writes: [other])
      body.instructions.insert(.kernel(copy), at: place)
    }
    for index in place + 1..<body.instructions.count {
      body.instructions[index] = body.instructions[index].using(other, for: buffer)
    }
    body.gives = gives.map {
      !$0.isKept && $0.buffer == buffer ? SlotBuffer($0.slot, other) : $0
    }
    return body
  }

  /// What computes `gives` again, where it takes `sources` as the forward pass did.
  fileprivate func recomputing(_ gives: [SlotBuffer], taking sources: [SlotBuffer]) -> Body {
    again(gives, sources).withNeeded(from: [])
  }

  /// The same out of `sources` as the forward pass left them, which are handed back.
  fileprivate func recomputing(_ gives: [SlotBuffer], outOf sources: [SlotBuffer]) -> Body {
    var body = again(gives, sources).withNeeded(from: Set(sources.map(\.buffer)))
    let used = Set(
      body.instructions.flatMap { $0.accesses.reads + $0.accesses.writes })
    let taken = sources.filter { used.contains($0.buffer) }
    body.takes = taken
    body.gives += taken
    return Liveness.body(body.withoutAllocation)
  }

  private func again(_ gives: [SlotBuffer], _ sources: [SlotBuffer]) -> Body {
    var body = self
    body.name = name.replacing(Phase.forward.rawValue, with: Phase.recompute.rawValue)
    (body.phase, body.takes, body.gives) = (.recompute, sources, gives)
    return body
  }

  private var withoutAllocation: Body {
    var body = self
    body.instructions.removeAll { instruction in
      switch instruction {
      case .allocate, .free: true
      default: false
      }
    }
    return body
  }

  /// Without what nothing given depends on, `sources` being at hand as they are at the end; allocated anew.
  private func withNeeded(from sources: Set<BufferID>) -> Body {
    var body = withoutAllocation
    var needed = Set(gives.map(\.buffer))
    var kept: [Instruction] = []
    var awaited: Set<Token> = []
    for instruction in body.instructions.reversed() {
      let (reads, writes) = instruction.accesses
      switch instruction {
      case .await:
        kept.append(instruction)
        continue
      case .start(let token, _, _, _, _):
        guard writes.contains(where: { needed.contains($0) && !sources.contains($0) }) else {
          awaited.insert(token)
          continue
        }
      default:
        let isStored = writes.contains { buffers[$0].stored != nil }
        let isNeeded = writes.contains { needed.contains($0) && !sources.contains($0) }
        guard isStored || isNeeded else { continue }
      }
      needed.formUnion(reads)
      kept.append(instruction)
    }
    body.instructions = kept.reversed().filter { instruction in
      if case .await(let token) = instruction { !awaited.contains(token) } else { true }
    }
    return Liveness.body(body)
  }
}
