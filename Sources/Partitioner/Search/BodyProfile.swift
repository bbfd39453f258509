import PlanIR

/// An integer that grows by a fixed amount with each unit of batch: `atOne` at one unit.
struct LinearCount {
  let atOne, step: Int

  /// The line through the values at one and at two units.
  init(_ atOne: Int, _ atTwo: Int) {
    self.atOne = atOne
    step = atTwo - atOne
  }

  func at(_ units: Int) -> Int { atOne + step * (units - 1) }
}

/// What a body costs as a function of the batch: everything in it is constant or grows in proportion
/// to the batch, so that two sizes tell all.
struct BodyProfile {
  private var kernels: [(work: LinearWork, count: Int)] = []
  private(set) var collectives: [(use: LinearUse, count: Int)] = []
  /// What is held after each allocation that may be the fullest instant.
  private var instants: [LinearCount] = []
  private var change = LinearCount(0, 0)

  private struct LinearWork {
    let flops, bytes: LinearCount
    let shape: (m: LinearCount, n: LinearCount, k: LinearCount)?
    let matmul: MatmulShape?

    func at(_ units: Int) -> KernelWork {
      var shape = matmul
      if let lines = self.shape {
        shape?.m = lines.m.at(units)
        shape?.n = lines.n.at(units)
        shape?.k = lines.k.at(units)
      }
      return KernelWork(flops: flops.at(units), bytes: bytes.at(units), matmul: shape)
    }
  }

  /// A collective whose group is the network table's entry `route`.
  struct LinearUse {
    let pattern: CollectiveUse.Pattern
    let route: Int
    let bytes: LinearCount
  }

  /// The profile of a body of which `one` and `two` are the traces at one unit of batch and at two.
  init(_ one: BodyTrace, _ two: BodyTrace, routes: inout RouteList) {
    var known: [KernelPair: Int] = [:]
    for pair in zip(one.works, two.works).map(KernelPair.init) {
      if let place = known[pair] {
        kernels[place].count += 1
      } else {
        known[pair] = kernels.count
        kernels.append((Self.work(pair), 1))
      }
    }
    var uses: [UsePair: Int] = [:]
    for pair in zip(one.uses, two.uses).map(UsePair.init) {
      if let place = uses[pair] {
        collectives[place].count += 1
      } else {
        uses[pair] = collectives.count
        let use = LinearUse(
          pattern: pair.one.pattern, route: routes.index(of: pair.one.axes),
          bytes: LinearCount(pair.one.bytes, pair.two.bytes))
        collectives.append((use, 1))
      }
    }
    instants = Self.envelope(zip(one.held, two.held).map(LinearCount.init))
    change = LinearCount(one.change, two.change)
  }

  private struct KernelPair: Hashable {
    let one, two: KernelWork
  }

  private struct UsePair: Hashable {
    let one, two: CollectiveUse
  }

  private static func work(_ pair: KernelPair) -> LinearWork {
    let (one, two) = (pair.one, pair.two)
    var shape: (m: LinearCount, n: LinearCount, k: LinearCount)?
    if let first = one.matmul, let second = two.matmul {
      shape = (
        LinearCount(first.m, second.m), LinearCount(first.n, second.n),
        LinearCount(first.k, second.k)
      )
    }
    return LinearWork(
      flops: LinearCount(one.flops, two.flops), bytes: LinearCount(one.bytes, two.bytes),
      shape: shape, matmul: one.matmul)
  }

  /// The lines that are highest at some number of units.
  private static func envelope(_ lines: [LinearCount]) -> [LinearCount] {
    var kept: [LinearCount] = []
    for line in lines.sorted(by: { ($0.step, $0.atOne) > ($1.step, $1.atOne) }) {
      if kept.allSatisfy({ $0.atOne < line.atOne }) { kept.append(line) }
    }
    return kept
  }

  /// The time of its kernels.
  func kernels(_ units: Int, _ cost: any CostModel) -> Picoseconds {
    kernels.reduce(.zero) { $0 + cost.time(of: $1.work.at(units)) * $1.count }
  }

  /// What it holds at its fullest instant above what was held before, and afterwards.
  func memory(_ units: Int) -> (peak: Int, change: Int) {
    (instants.reduce(0) { max($0, $1.at(units)) }, change.at(units))
  }
}

/// What a body does at one size, in order.
struct BodyTrace {
  private(set) var works: [KernelWork] = []
  private(set) var uses: [CollectiveUse] = []
  /// Bytes held after each allocation, above what was held at the start.
  private(set) var held: [Int] = []
  private(set) var change = 0

  init(_ body: Body, mesh: Mesh, precision: Precision) {
    func bytes(_ buffer: BufferID) -> Int {
      let type = body.buffers[buffer].type
      return type.localCount * precision.bytes(of: type.width)
    }
    for instruction in body.instructions {
      switch instruction {
      case .allocate(let buffer):
        change += bytes(buffer)
        held.append(change)
      case .free(let buffer):
        change -= bytes(buffer)
      case .kernel(let call):
        works.append(KernelWork(call, in: body, precision: precision))
      case .start(_, let collective, let axes, let from, let into):
        let (from, into) = (body.buffers[from].type, body.buffers[into].type)
        uses.append(CollectiveUse(collective, over: axes, from: from, into: into, mesh, precision))
      case .receive(let buffer, let message):
        uses.append(CollectiveUse(message, of: body.buffers[buffer].type, mesh, precision))
      case .await, .send, .settle:
        break
      }
    }
  }
}

/// The axes lists over which a group of blocks communicates, each once.
struct RouteList {
  private(set) var axes: [[AxisReference]] = []

  mutating func index(of wanted: [AxisReference]) -> Int {
    if let place = axes.firstIndex(of: wanted) { return place }
    axes.append(wanted)
    return axes.count - 1
  }
}
