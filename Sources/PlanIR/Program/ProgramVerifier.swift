/// Checks that a program holds together: memory is allocated before it is used and released once,
/// collectives' operands fit, and what calls take was given.
package struct ProgramVerifier {
  private let program: Program
  private var faults: [String] = []

  /// Everything wrong with `program`; empty for a sound one.
  package static func faults(of program: Program) -> [String] {
    var verifier = ProgramVerifier(program: program)
    for body in program.bodies { verifier.check(body) }
    for stage in program.stages { verifier.check(stage) }
    verifier.checkMessages()
    return verifier.faults
  }

  private init(program: Program) { self.program = program }

  private mutating func check(_ body: Body) {
    for buffer in body.buffers {
      for fault in ShardingVerifier.faults(of: buffer.type.sharding, in: program.mesh) {
        faults.append("\(body.name): \(buffer.name) is split over \(fault)")
      }
    }
    var held = Set(body.takes.map(\.buffer))
    held.formUnion(body.buffers.indices.filter { body.buffers[$0].stored != nil })
    var open: Set<Token> = []
    for instruction in body.instructions {
      let (reads, writes) = instruction.accesses
      for buffer in reads + writes where !held.contains(buffer) {
        faults.append("\(body.name): \(body.buffers[buffer].name) is used but not held")
      }
      check(instruction, body, &held, &open)
    }
    let left = held.filter { body.buffers[$0].stored == nil }
    if left != Set(body.gives.map(\.buffer)) {
      faults.append(
        "\(body.name): holds \(left.count) buffers at its end, gives \(body.gives.count)")
    }
    if !open.isEmpty { faults.append("\(body.name): \(open.count) collectives are not awaited") }
  }

  private mutating func check(
    _ instruction: Instruction, _ body: Body, _ held: inout Set<BufferID>,
    _ open: inout Set<Token>
  ) {
    switch instruction {
    case .allocate(let buffer):
      if !held.insert(buffer).inserted {
        faults.append("\(body.name): \(body.buffers[buffer].name) is allocated twice")
      }
    case .free(let buffer):
      if held.remove(buffer) == nil || body.buffers[buffer].stored != nil {
        faults.append("\(body.name): \(body.buffers[buffer].name) is freed but not held")
      }
    case .start(let token, let collective, let axes, let from, let into):
      open.insert(token)
      check(collective, axes, body.buffers[from].type, body.buffers[into].type, body.name)
    case .await(let token):
      if open.remove(token) == nil { faults.append("\(body.name): #\(token) was not started") }
    case .kernel, .send, .receive, .settle:
      break
    }
  }

  /// The operands' types must differ by just what the collective does.
  private mutating func check(
    _ collective: Collective, _ axes: [AxisReference], _ from: TensorType, _ into: TensorType,
    _ name: String
  ) {
    let size = axes.groupSize
    let expected: Int
    switch collective {
    case .allGather: expected = from.localCount * size
    case .gatherChunks: expected = from.blockCount
    case .reduceScatter: expected = from.localCount / size
    case .scatterChunks: expected = (from.localCount + size - 1) / size
    case .allReduce, .allReduceEnds, .broadcast, .reduce, .allToAll, .permute:
      expected = from.localCount
    }
    if into.localCount != expected || from.width != into.width {
      faults.append("\(name): \(collective.name) from \(from.localSizes) into \(into.localSizes)")
    }
    let needsPartial: Bool
    switch collective {
    case .reduceScatter, .scatterChunks, .allReduce, .reduce: needsPartial = true
    // Which devices hold a copy is said by stages, not by a sharding.
    case .allReduceEnds: needsPartial = false
    case .allGather, .gatherChunks, .broadcast, .allToAll, .permute: needsPartial = false
    }
    if needsPartial && !axes.subtracting(from.sharding.unreduced).isEmpty {
      faults.append("\(name): \(collective.name) of a value that is not partial")
    }
  }

  /// Replays slots over the calls of a stage.
  private mutating func check(_ stage: Stage) {
    let chain = program.chainIndex
    var slots: Set<Key> = []
    for call in stage.calls {
      let body = program.bodies[call.body]
      let place = chain[call.position] ?? 0
      for taken in body.takes
      where slots.remove(Key(taken.slot, taken.slot.taker(takenAt: place), call.microBatch)) == nil
      {
        faults.append("\(body.name)[\(call.position.layer)]: \(taken.slot.text) was not given")
      }
      for given in body.gives {
        let taker = given.slot.taker(givenAt: place)
        if !slots.insert(Key(given.slot, taker, call.microBatch)).inserted {
          faults.append("\(body.name): \(given.slot.text) is given twice")
        }
      }
    }
    if !slots.isEmpty { faults.append("\(slots.count) slots are given, never taken") }
  }

  /// Every message that is sent on a stage must be received once on the stage it is sent to.
  private mutating func checkMessages() {
    let chain = program.chainIndex
    var open: [Key: Int] = [:]
    for (place, stage) in program.stages.enumerated() {
      for call in stage.calls {
        let index = chain[call.position] ?? 0
        for instruction in program.bodies[call.body].instructions {
          switch instruction {
          case .send(_, let message):
            let taker = message.slot.taker(givenAt: index)
            let receiver = (place + message.shift + message.axis.size) % message.axis.size
            open[Key(message.slot, taker, call.microBatch), default: 0] += receiver + 1
          case .receive(_, let message):
            let taker = message.slot.taker(takenAt: index)
            open[Key(message.slot, taker, call.microBatch), default: 0] -= place + 1
          default: break
          }
        }
      }
    }
    let lost = open.values.count { $0 != 0 }
    if lost > 0 { faults.append("\(lost) messages are sent or received without the other") }
  }

  private struct Key: Hashable {
    let slot: Slot
    let taker: Int
    let microBatch: Int

    init(_ slot: Slot, _ taker: Int, _ microBatch: Int) {
      self.slot = slot
      self.taker = taker
      self.microBatch = microBatch
    }
  }
}

extension Slot {
  /// Names the taker of what the block at `place` of the chain gives; one for all, where the slot's
  /// own name says whose it is.
  package func taker(givenAt place: Int) -> Int {
    switch self {
    case .stream: place + 1
    case .gradient: place - 1
    case .kept: place
    case .borrowed: Self.anyPlace
    }
  }

  /// Names the taker where the block at `place` takes it.
  package func taker(takenAt place: Int) -> Int {
    switch self {
    case .stream, .gradient, .kept: place
    case .borrowed: Self.anyPlace
    }
  }

  private static let anyPlace = -2
}
