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
  /// By size of micro-batch; nil where blocks cannot be.
  private var leasts: [Key: [Int: LayerPoint.ClassLeast?]] = [:]
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
    var unpinned = request
    (unpinned.pins.sequenceParallel, unpinned.pins.matmul) = (nil, nil)
    open = CandidateSpace(unpinned)
    let own = points.filter { $0.context == 1 && $0.shape.devices == split.tensor }
    whole = Dictionary(own.map { ($0.choices, $0) }) { first, _ in first }
  }

  private var training: TrainingGraph { request.training }

  /// Pairs of shapes.
  var count: Int { shapes.count * shapes.count }

  /// What one class's blocks in a shape take of a micro-batch, and hold.
  private struct Option {
    let shape: LayoutShape
    let time: Picoseconds
    let held: Bytes
  }

  /// The shapes under `knobs`, which have their micro-batches, where embedding and head take `ends` of a step
  /// at least; nil where none can be kept. Where all is left out for memory, `isOver` says so.
  mutating func open(
    _ knobs: PlanChoices, ends: Picoseconds, _ ranking: Ranking, _ chains: inout ChainTable,
    isOver: inout Bool
  ) -> Open? {
    var open = Open(attention: shapes, mlp: shapes)
    guard !request.exhaustive else { return open }
    let keepsAll =
      knobs.matmul == .gathered && knobs.gathersInputs == .saved && knobs.gathersWeights == .saved
    // What is gathered again is asked for only of shapes that their parameters leave open.
    for isLean in keepsAll ? [false] : [false, true] {
      let options = [BlockClass.attention, .mlp].map { blockClass in
        (blockClass == .attention ? open.attention : open.mlp).compactMap { shape in
          option(blockClass, shape, knobs, keepsAll: keepsAll, isLean: isLean, &chains)
        }
      }
      guard let left = pairs(options[0], options[1], knobs, ends, ranking, isOver: &isOver) else {
        return nil
      }
      open = Open(
        attention: open.attention.filter(left.attention.contains),
        mlp: open.mlp.filter(left.mlp.contains))
    }
    return open
  }

  /// What blocks of a class take and hold; nil where they cannot be.
  private mutating func option(
    _ blockClass: BlockClass, _ shape: LayoutShape, _ knobs: PlanChoices, keepsAll: Bool,
    isLean: Bool, _ chains: inout ChainTable
  ) -> Option? {
    guard training.model.has(blockClass) else {
      return shape == shapes[0] ? Option(shape: shape, time: .zero, held: .zero) : nil
    }
    let key = Key(blockClass: blockClass, shape: shape)
    guard let own = least(key, knobs.microBatch, &chains) else { return nil }
    var choices = knobs
    choices.mesh = Mesh(split.outerAxes)
    var held = own.memory.stored.bytes(sharding: choices)
    if keepsAll { held += own.kept }
    if isLean { held += leanKept(key, knobs.microBatch, &chains) }
    return Option(shape: shape, time: own.time, held: Bytes(held))
  }

  /// The shapes of the pairs that can be kept; nil where there are none.
  private func pairs(
    _ attention: [Option], _ mlp: [Option], _ knobs: PlanChoices, _ ends: Picoseconds,
    _ ranking: Ranking, isOver: inout Bool
  ) -> (attention: Set<LayoutShape>, mlp: Set<LayoutShape>)? {
    var (first, second) = (Set<LayoutShape>(), Set<LayoutShape>())
    var over = false
    let framework = request.cluster.device.framework(
      training, Mesh([MeshAxis("data", split.data), MeshAxis("tensor", split.tensor)]),
      microBatches: knobs.microBatches)
    for own in attention {
      for other in mlp {
        let time = (own.time + other.time) * knobs.microBatches + ends
        if request.objective == .time && ranking.isBeaten(time.count) { continue }
        let held = own.held + other.held + framework
        if ranking.isOver(held) {
          over = true
          continue
        }
        if ranking.isBeaten(memory: held) || ranking.isBeaten(time.count, memory: held) { continue }
        first.insert(own.shape)
        second.insert(other.shape)
      }
    }
    guard !first.isEmpty else {
      isOver = over
      return nil
    }
    return (first, second)
  }

  /// What is least of all ways in which blocks of a class have a shape; nil where they cannot.
  private mutating func least(
    _ key: Key, _ size: Int, _ chains: inout ChainTable
  ) -> LayerPoint.ClassLeast? {
    if let found = leasts[key]?[size] { return found }
    var least: LayerPoint.ClassLeast?
    for point in points(key, &chains) where point.divides(size) {
      guard let own = point.leastOfClasses(size, training)[key.blockClass] else { continue }
      least = least?.least(own) ?? own
    }
    leasts[key, default: [:]][size] = .some(least)
    return least
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
