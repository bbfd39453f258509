import PlanIR

#if canImport(Glibc)
  import Glibc
#endif

/// The local operands of a collective.
struct CollectiveOperands {
  var from: HostBuffer
  var into: HostBuffer
  /// Local sizes of `from` and `into`.
  var fromSizes: [Int]
  var intoSizes: [Int]
  var dimensions: [Dimension]
  var plannedWidth: Int
}

extension Fabric {
  /// A device's part in a collective: its group, whom it waits for, and what its bytes count under.
  struct Participation {
    let collective: Collective
    let device: Int
    fileprivate let membership: Membership
    fileprivate let parties: Collective.Parties
    fileprivate let key: CounterKey
  }

  /// The part of `device` in a collective.
  func participation(
    in collective: Collective, over axes: [AxisReference], of device: Int
  ) throws(RunError) -> Participation {
    let membership = try membership(of: device, in: collective, over: axes)
    let parties = collective.parties(
      of: membership.index, among: membership.rendezvous.size
    ) { $0.value(on: device, in: self.mesh) }
    return Participation(
      collective: collective, device: device, membership: membership, parties: parties,
      key: CounterKey(axes: axes.joined, collective: collective.name))
  }

  /// Carries out one collective for a device; returns when `into` is whole and nobody reads `from`.
  func run(_ participation: Participation, _ operands: CollectiveOperands) throws(RunError) {
    let (collective, device) = (participation.collective, participation.device)
    let (parties, index) = (participation.parties, participation.membership.index)
    let rendezvous = participation.membership.rendezvous
    try rendezvous.post(
      .init(from: operands.from.base, into: operands.into.base), index: index,
      awaiting: parties.sources)
    let mover = Mover(operands: operands, index: index, rendezvous: rendezvous)
    let moved: Int
    switch collective {
    case .allGather(let dimension):
      moved = try mover.gather(operands.place(of: dimension))
    case .reduceScatter(let dimension, let reduction):
      moved = try mover.reduceScatter(operands.place(of: dimension), reduction)
    case .gatherChunks:
      moved = mover.gatherWholeChunks()
    case .scatterChunks(let reduction):
      moved = mover.scatterChunks(reduction)
    case .allReduce(let reduction), .allReduceEnds(let reduction):
      let sum = mover.reduceChunk(reduction)
      try rendezvous.tell(.posted, index: index, awaiting: .all)
      moved = sum + mover.gatherChunks()
    case .broadcast(let root):
      moved = mover.broadcast(root: root.value(on: device, in: mesh))
    case .reduce(let root, let reduction):
      moved = mover.reduce(root: root.value(on: device, in: mesh), reduction)
    case .allToAll(let split, let concatenate):
      moved = try mover.allToAll(operands.place(of: split), operands.place(of: concatenate))
    case .permute(let shift):
      moved = mover.permute(shift: shift)
    }
    count(moved * operands.plannedWidth, participation.key, device: device)
    try rendezvous.tell(.finished, index: index, awaiting: parties.readers)
  }

  private func membership(
    of device: Int, in collective: Collective, over axes: [AxisReference]
  ) throws(RunError) -> Membership {
    if case .allReduceEnds = collective { return try meeting(of: device, over: axes) }
    return try membership(of: device, over: axes)
  }
}

extension Collective {
  /// Whose data a member reads, and who reads its own.
  fileprivate struct Parties {
    var sources = Rendezvous.Members.all
    var readers = Rendezvous.Members.all
  }

  /// The parties of member `index` of a group of `size`.
  fileprivate func parties(
    of index: Int, among size: Int, root place: (DeviceExpression) -> Int
  ) -> Parties {
    switch self {
    case .broadcast(let root):
      let root = place(root)
      return Parties(sources: .one(root), readers: index == root ? .all : .none)
    case .reduce(let root, _):
      let root = place(root)
      return Parties(sources: index == root ? .all : .none, readers: .one(root))
    case .permute(let shift):
      return Parties(
        sources: .one(Self.member(index - shift, of: size)),
        readers: .one(Self.member(index + shift, of: size)))
    default:
      return Parties()
    }
  }

  fileprivate static func member(_ place: Int, of size: Int) -> Int {
    (place % size + size) % size
  }
}

extension CollectiveOperands {
  func place(of dimension: Dimension) throws(RunError) -> Int {
    guard let index = dimensions.firstIndex(of: dimension) else {
      throw RunError.malformedProgram("no dimension \(dimension.rawValue) to communicate along")
    }
    return index
  }
}

/// Moves one device's share of a collective; each function returns the elements that came from
/// other devices. Sums are formed in the order of the group's members, the same on every run.
private struct Mover {
  let operands: CollectiveOperands
  let index: Int
  let rendezvous: Rendezvous

  private var width: Int { operands.from.dtype.width }
  private var into: UnsafeMutableRawPointer { operands.into.base }
  private var size: Int { rendezvous.size }
  /// Where every member's operand lies.
  private var sources: [UnsafeMutableRawPointer] { rendezvous.posts.map(\.from) }
  /// Where every member's result lies.
  private var results: [UnsafeMutableRawPointer] { rendezvous.posts.map(\.into) }

  private func extents(_ sizes: [Int], _ place: Int) -> (outer: Int, inner: Int) {
    (sizes[..<place].reduce(1, *), sizes[(place + 1)...].reduce(1, *))
  }

  func gather(_ place: Int) throws(RunError) -> Int {
    let (outer, inner) = extents(operands.fromSizes, place)
    let block = operands.fromSizes[place] * inner
    try check(operands.intoSizes[place] == operands.fromSizes[place] * size)
    for (member, source) in sources.enumerated() {
      for row in 0..<outer {
        copy(source, row * block, into, (row * size + member) * block, block)
      }
    }
    return operands.from.count * (size - 1)
  }

  func reduceScatter(_ place: Int, _ reduction: Reduction) throws(RunError) -> Int {
    let (outer, inner) = extents(operands.intoSizes, place)
    let block = operands.intoSizes[place] * inner
    try check(operands.fromSizes[place] == operands.intoSizes[place] * size)
    let sources = sources
    for row in 0..<outer {
      combine(sources, (row * size + index) * block, row * block, block, reduction)
    }
    return operands.into.count * (size - 1)
  }

  private func chunk(_ member: Int, of count: Int) -> Range<Int> {
    member * count / size..<(member + 1) * count / size
  }

  private func chunk(_ member: Int) -> Range<Int> { chunk(member, of: operands.from.count) }

  /// Each member's chunk to its place in the whole.
  func gatherWholeChunks() -> Int {
    for (member, source) in sources.enumerated() {
      let chunk = chunk(member, of: operands.into.count)
      copy(source, 0, into, chunk.lowerBound, chunk.count)
    }
    return operands.into.count - chunk(index, of: operands.into.count).count
  }

  /// The sum of this member's chunk, in the order of members.
  func scatterChunks(_ reduction: Reduction) -> Int {
    let chunk = chunk(index)
    combine(sources, chunk.lowerBound, 0, chunk.count, reduction)
    return chunk.count * (size - 1)
  }

  /// Sums this member's chunk; in place, only this member writes it and only it reads it.
  func reduceChunk(_ reduction: Reduction) -> Int {
    let chunk = chunk(index)
    if operands.from === operands.into {
      return reduceChunkInPlace(chunk, reduction)
    }
    combine(sources, chunk.lowerBound, chunk.lowerBound, chunk.count, reduction)
    return chunk.count * (size - 1)
  }

  /// As ``reduceChunk(_:)`` where the result replaces the operand: own elements are the first of
  /// the sum, then the others in the order of members.
  private func reduceChunkInPlace(_ chunk: Range<Int>, _ reduction: Reduction) -> Int {
    for (member, source) in sources.enumerated() where member != index {
      combine(source, chunk.lowerBound, chunk.lowerBound, chunk.count, reduction)
    }
    return chunk.count * (size - 1)
  }

  func gatherChunks() -> Int {
    for (member, result) in results.enumerated() where member != index {
      let chunk = chunk(member)
      copy(result, chunk.lowerBound, into, chunk.lowerBound, chunk.count)
    }
    return operands.from.count - chunk(index).count
  }

  func broadcast(root: Int) -> Int {
    copy(rendezvous.post(of: root).from, 0, into, 0, operands.into.count)
    return root == index ? 0 : operands.into.count
  }

  func reduce(root: Int, _ reduction: Reduction) -> Int {
    guard root == index else { return 0 }
    combine(sources, 0, 0, operands.into.count, reduction)
    return operands.into.count * (size - 1)
  }

  func allToAll(_ split: Int, _ concatenate: Int) throws(RunError) -> Int {
    let (from, into) = (operands.fromSizes, operands.intoSizes)
    try check(
      from[split] == into[split] * size && into[concatenate] == from[concatenate] * size)
    var extent = from
    extent[split] = into[split]
    for (member, source) in sources.enumerated() {
      var origin = from.map { _ in 0 }
      origin[split] = index * into[split]
      var target = from.map { _ in 0 }
      target[concatenate] = member * from[concatenate]
      copyBlock(source, from, origin, into, target, extent)
    }
    return operands.into.count / size * (size - 1)
  }

  private func copyBlock(
    _ source: UnsafeMutableRawPointer, _ fromSizes: [Int], _ origin: [Int], _ intoSizes: [Int],
    _ target: [Int], _ extent: [Int]
  ) {
    let run = extent.last ?? 1
    let rows = extent.dropLast().reduce(1, *)
    for row in 0..<rows {
      var rest = row
      var (read, written) = (0, 0)
      var (readStride, writeStride) = (fromSizes.last ?? 1, intoSizes.last ?? 1)
      for place in extent.indices.dropLast().reversed() {
        let coordinate = rest % extent[place]
        rest /= extent[place]
        read += (origin[place] + coordinate) * readStride
        written += (target[place] + coordinate) * writeStride
        readStride *= fromSizes[place]
        writeStride *= intoSizes[place]
      }
      copy(source, read + (origin.last ?? 0), into, written + (target.last ?? 0), run)
    }
  }

  func permute(shift: Int) -> Int {
    let member = Collective.member(index - shift, of: size)
    copy(rendezvous.post(of: member).from, 0, into, 0, operands.into.count)
    return member == index ? 0 : operands.into.count
  }

  private func check(_ isConsistent: Bool) throws(RunError) {
    if !isConsistent { throw RunError.malformedProgram("operands of a collective do not fit") }
  }

  private func copy(
    _ source: UnsafeMutableRawPointer, _ from: Int, _ target: UnsafeMutableRawPointer, _ to: Int,
    _ count: Int
  ) {
    let (read, written) = (source + from * width, target + to * width)
    if read != written { memmove(written, read, count * width) }
  }

  /// Combines `count` elements of all `sources` from `from` on, block by block, so that what is
  /// added to stays in cache.
  private func combine(
    _ sources: [UnsafeMutableRawPointer], _ from: Int, _ to: Int, _ count: Int,
    _ reduction: Reduction
  ) {
    let block = 4096
    for start in stride(from: 0, to: count, by: block) {
      let length = min(block, count - start)
      copy(sources[0], from + start, into, to + start, length)
      for source in sources.dropFirst() {
        combine(source, from + start, to + start, length, reduction)
      }
    }
  }

  private func combine(
    _ source: UnsafeMutableRawPointer, _ from: Int, _ to: Int, _ count: Int,
    _ reduction: Reduction
  ) {
    switch operands.from.dtype {
    case .float64: combine(Double.self, source, from, to, count, reduction)
    default: combine(Float.self, source, from, to, count, reduction)
    }
  }

  private func combine<Scalar: FloatingPoint>(
    _ type: Scalar.Type, _ source: UnsafeMutableRawPointer, _ from: Int, _ to: Int, _ count: Int,
    _ reduction: Reduction
  ) {
    let read = source.assumingMemoryBound(to: type) + from
    let written = into.assumingMemoryBound(to: type) + to
    switch reduction {
    case .sum: for place in 0..<count { written[place] += read[place] }
    case .maximum: for place in 0..<count { written[place] = max(written[place], read[place]) }
    }
  }
}
