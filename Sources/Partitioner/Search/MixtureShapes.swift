import PlanIR

/// The shapes that blocks of attention and mlp may have in a mixture which is kept, told from what layers of
/// one layout take and hold at least, before any mixture is lowered.
struct MixtureShapes {
  private let split: DeviceSplit
  private let request: SearchRequest
  private let space: CandidateSpace
  /// The same with every form of a block.
  private let open: CandidateSpace
  /// In the order in which they are tried.
  private let shapes: [LayoutShape]
  /// By choices, those of this tensor mesh without a context axis.
  private let whole: [PlanChoices: LayerPoint]
  private var points: [Key: [LayerPoint]] = [:]
  private var trunks = TrunkTable()
  /// By size of micro-batch.
  private var leasts: [Int: ClassLeasts] = [:]
  private var mlpLeasts: [Int: ShapeLeasts] = [:]
  private var lean: [Key: [Int: Int]] = [:]

  private struct Key: Hashable {
    let blockClass: BlockClass
    let shape: LayoutShape
  }

  /// The shapes of blocks of two classes.
  struct Open {
    let attention, mlp: [LayoutShape]
  }

  init(
    _ request: SearchRequest, _ space: CandidateSpace, _ split: DeviceSplit,
    _ shapes: [LayoutShape], _ points: [LayerPoint]
  ) {
    (self.request, self.space, self.split, self.shapes) = (request, space, split, shapes)
    // Some of its blocks may have what is pinned while others cannot.
    var pins = request.pins
    (pins.sequenceParallel, pins.matmul) = (nil, nil)
    open = space.pinned(pins)
    let own = points.filter { $0.context == 1 && $0.shape.devices == split.tensor }
    whole = Dictionary(own.map { ($0.choices, $0) }) { first, _ in first }
  }

  private var training: TrainingGraph { request.training }

  /// Pairs of shapes.
  var count: Int { shapes.count * shapes.count }

  /// What blocks of a class take and hold in each of the shapes; nil where they cannot be.
  private struct ShapeLeasts {
    let shapes: [LayerPoint.ClassLeast?]
    /// Of a micro-batch at least, in any of them.
    let time: Picoseconds

    init(_ shapes: [LayerPoint.ClassLeast?]) {
      self.shapes = shapes
      time = shapes.compactMap { $0?.time }.min() ?? .zero
    }
  }

  /// The same of each class.
  private struct ClassLeasts {
    let attention, mlp: ShapeLeasts

    /// What both take of a micro-batch at least.
    var time: Picoseconds { attention.time + mlp.time }

    subscript(blockClass: BlockClass) -> [LayerPoint.ClassLeast?] {
      blockClass == .attention ? attention.shapes : mlp.shapes
    }
  }

  /// What one class's blocks in a shape, by its number, take of a micro-batch, and hold.
  private struct Option {
    let shape: Int
    let time: Picoseconds
    let held: Bytes
  }

  /// The shapes under `knobs`, which have their micro-batches, where embedding and head take `ends` of a step
  /// at least; nil where none can be kept. Where all is left out for memory, `isOver` says so.
  mutating func open(
    _ knobs: PlanChoices, ends: Picoseconds, _ ranking: Ranking, _ chains: inout ChainTable,
    isOver: inout Bool
  ) -> Open? {
    guard !request.exhaustive else { return Open(attention: shapes, mlp: shapes) }
    func isTooLong(_ time: Picoseconds) -> Bool {
      request.objective == .time
        && ranking.isBeaten((time * knobs.microBatches + ends).count)
    }
    let size = knobs.microBatch
    if isTooLong(mlp(size, &chains).time + attentionFloor(size)) { return nil }
    let leasts = leasts(size, &chains)
    if isTooLong(leasts.time) { return nil }
    let keepsAll =
      knobs.matmul == .gathered && knobs.gathersInputs == .saved && knobs.gathersWeights == .saved
    var open = (attention: Array(shapes.indices), mlp: Array(shapes.indices))
    // What is gathered again is asked for only of shapes that their parameters leave open.
    for isLean in keepsAll ? [false] : [false, true] {
      func options(_ blockClass: BlockClass, _ shapes: [Int]) -> [Option] {
        let own = leasts[blockClass]
        return self.options(
          blockClass, shapes, own, knobs, keepsAll: keepsAll, isLean: isLean, &chains)
      }
      let (attention, mlp) = (options(.attention, open.attention), options(.mlp, open.mlp))
      guard let left = pairs(attention, mlp, knobs, ends, ranking, isOver: &isOver) else {
        return nil
      }
      open = left
    }
    return Open(attention: open.attention.map { shapes[$0] }, mlp: open.mlp.map { shapes[$0] })
  }

  /// What blocks of a class take and hold in those of `shapes` that they can have.
  private mutating func options(
    _ blockClass: BlockClass, _ shapes: [Int], _ leasts: [LayerPoint.ClassLeast?],
    _ knobs: PlanChoices, keepsAll: Bool, isLean: Bool, _ chains: inout ChainTable
  ) -> [Option] {
    guard training.model.has(blockClass) else {
      return [Option(shape: 0, time: .zero, held: .zero)]
    }
    // Weights are sharded over data alone.
    let weights = ShardedWeights(knobs)
    var options: [Option] = []
    for shape in shapes {
      guard let own = leasts[shape] else { continue }
      var held = own.memory.stored.bytes(sharding: weights, data: split.data)
      if keepsAll { held += own.kept }
      if isLean {
        let key = Key(blockClass: blockClass, shape: self.shapes[shape])
        held += leanKept(key, knobs.microBatch, &chains)
      }
      options.append(Option(shape: shape, time: own.time, held: Bytes(held)))
    }
    return options
  }

  /// The shapes of the pairs that can be kept; nil where there are none.
  private func pairs(
    _ attention: [Option], _ mlp: [Option], _ knobs: PlanChoices, _ ends: Picoseconds,
    _ ranking: Ranking, isOver: inout Bool
  ) -> (attention: [Int], mlp: [Int])? {
    guard let least = mlp.map(\.time).min(), let lean = mlp.map(\.held).min() else { return nil }
    var (first, second) = (Set<Int>(), Set<Int>())
    var over = false
    let framework = request.cluster.device.framework(
      training, Mesh([MeshAxis("data", split.data), MeshAxis("tensor", split.tensor)]),
      microBatches: knobs.microBatches)
    // Embedding and head, and the framework.
    let beside =
      framework
      + Bytes(
        space.ends.bytes(
          knobs.microBatch, data: split.data, tensor: split.tensor, ShardedWeights(knobs)))
    func isTooLong(_ time: Picoseconds) -> Bool {
      request.objective == .time
        && ranking.isBeaten((time * knobs.microBatches + ends).count)
    }
    for own in attention where !isTooLong(own.time + least) {
      // At least one of its pairs is not too long.
      if ranking.isOver(own.held + lean + beside) {
        over = true
        continue
      }
      for other in mlp {
        let time = own.time + other.time
        if isTooLong(time) { continue }
        let held = own.held + other.held + beside
        if ranking.isOver(held) {
          over = true
          continue
        }
        let step = (time * knobs.microBatches + ends).count
        if ranking.isBeaten(memory: held) || ranking.isBeaten(step, memory: held) { continue }
        first.insert(own.shape)
        second.insert(other.shape)
      }
    }
    guard !first.isEmpty else {
      isOver = over
      return nil
    }
    return (first.sorted(), second.sorted())
  }

  private mutating func leasts(_ size: Int, _ chains: inout ChainTable) -> ClassLeasts {
    if let found = leasts[size] { return found }
    let attention = ShapeLeasts(leasts(.attention, size, &chains))
    let made = ClassLeasts(attention: attention, mlp: mlp(size, &chains))
    leasts[size] = made
    return made
  }

  private mutating func mlp(_ size: Int, _ chains: inout ChainTable) -> ShapeLeasts {
    if let found = mlpLeasts[size] { return found }
    let made = ShapeLeasts(leasts(.mlp, size, &chains))
    mlpLeasts[size] = made
    return made
  }

  /// What attention takes of a micro-batch at least, before any of it is lowered.
  private func attentionFloor(_ size: Int) -> Picoseconds {
    space.attention.least(size: size, tensor: split.tensor, context: 1).reduce(.zero) {
      $0 + $1.value.passes.all * training.segments[$1.key].count
    }
  }

  /// By shape what is least of all ways in which blocks of a class have it; nil where they cannot.
  private mutating func leasts(
    _ blockClass: BlockClass, _ size: Int, _ chains: inout ChainTable
  ) -> [LayerPoint.ClassLeast?] {
    guard training.model.has(blockClass) else { return shapes.map { _ in nil } }
    return shapes.map { shape in
      var least: LayerPoint.ClassLeast?
      for point in points(Key(blockClass: blockClass, shape: shape), &chains)
      where point.divides(size) {
        guard let own = point.least(of: blockClass, size, training) else { continue }
        least = least?.least(own) ?? own
      }
      return least
    }
  }

  /// What blocks keep at least however they gather.
  private mutating func leanKept(_ key: Key, _ size: Int, _ chains: inout ChainTable) -> Int {
    if let found = lean[key]?[size] { return found }
    var own = points(key, &chains)
    var least: Int?
    for index in own.indices where own[index].divides(size) {
      let kept = own[index].leanKept(size, request, &chains)[key.blockClass] ?? 0
      least = min(least ?? kept, kept)
    }
    points[key] = own
    lean[key, default: [:]][size] = least ?? 0
    return least ?? 0
  }

  /// The layers that have blocks of a class in a shape; those blocks alone where others of their layout
  /// cannot be.
  private mutating func points(_ key: Key, _ chains: inout ChainTable) -> [LayerPoint] {
    if let found = points[key] { return found }
    let groups = training.groups.layers.filter { training.classes(of: $0) == [key.blockClass] }
    let alone = DeviceSplit(
      data: LayerPoint.replicas, stages: 1, context: 1, tensor: split.tensor)
    var found: [LayerPoint] = []
    for choices in open.variants(key.shape, alone) {
      if let known = whole[choices] {
        found.append(known)
      } else if let made = try? LayerPoint(choices, key.shape, of: groups, space, &trunks, &chains)
      {
        found.append(made)
      }
    }
    points[key] = found
    return found
  }
}
