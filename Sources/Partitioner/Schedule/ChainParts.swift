import PlanIR

/// What stands in a chain: for each segment its blocks, and between neighbours a joint where the
/// stream changes its sharding, and a boundary where the chain may be cut into stages.
struct ChainParts<Item> {
  /// Repetitions of each segment.
  let counts: [Int]
  /// Blocks of each segment.
  let blocks: [[Item]]
  /// After each block of a segment, what leads to the block that follows it within the segment; after
  /// the last, what leads to the first of the next repetition.
  let joints: [[Item?]]
  /// What leads from each segment's last block to the next segment's first.
  let exits: [Item?]
  /// Of each segment, between two repetitions, and between its last and the next segment; empty
  /// without stages.
  var boundaries: [(inside: Boundary?, after: Boundary?)] = []
  /// Whether a segment's repetitions count as layers: embedding and head go with their neighbours.
  var areLayers: [Bool] = []

  /// What sends the stream to the next stage, and what receives it there.
  struct Boundary {
    var departure, arrival: Item
  }

  /// Neighbouring layers that have the same items: all of a segment on a stage but its last, which
  /// leads on.
  struct Unit {
    let segment: Int
    let layers: Range<Int>
    let items: [(block: Int, item: Item)]
    /// What of its layers is computed again.
    var recompute = Recomputation.none
  }

  /// A virtual stage: what arrives, the layers between, what departs.
  struct Part {
    var arrival: Unit?
    var units: [Unit]
    var departure: Unit?

    /// All of it, in order.
    var all: [Unit] { [arrival].compactMap(\.self) + units + [departure].compactMap(\.self) }
  }

  /// The chain with every item changed by `change`, in order.
  func map<Other>(_ change: (Item) -> Other) -> ChainParts<Other> {
    func boundary(_ boundary: Boundary) -> ChainParts<Other>.Boundary {
      .init(departure: change(boundary.departure), arrival: change(boundary.arrival))
    }
    return ChainParts<Other>(
      counts: counts, blocks: blocks.map { $0.map(change) },
      joints: joints.map { $0.map { $0.map(change) } }, exits: exits.map { $0.map(change) },
      boundaries: boundaries.map { ($0.inside.map(boundary), $0.after.map(boundary)) },
      areLayers: areLayers)
  }

  /// This chain and `other`, which is alike, item by item.
  func combined<Second, Other>(
    with other: ChainParts<Second>, _ combine: (Item, Second) -> Other
  ) -> ChainParts<Other> {
    func both(_ first: [Item], _ second: [Second]) -> [Other] { zip(first, second).map(combine) }
    func both(_ first: Item?, _ second: Second?) -> Other? {
      guard let first, let second else { return nil }
      return combine(first, second)
    }
    func both(
      _ first: Boundary?, _ second: ChainParts<Second>.Boundary?
    ) -> ChainParts<Other>.Boundary? {
      guard let first, let second else { return nil }
      return .init(
        departure: combine(first.departure, second.departure),
        arrival: combine(first.arrival, second.arrival))
    }
    return ChainParts<Other>(
      counts: counts, blocks: zip(blocks, other.blocks).map { both($0, $1) },
      joints: zip(joints, other.joints).map { zip($0, $1).map { both($0, $1) } },
      exits: zip(exits, other.exits).map { both($0, $1) },
      boundaries: zip(boundaries, other.boundaries).map {
        (both($0.inside, $1.inside), both($0.after, $1.after))
      }, areLayers: areLayers)
  }

  /// The chain as units, first to last. A joint after block b of n is numbered n + b.
  var units: [Unit] { counts.indices.flatMap { units($0, 0..<counts[$0]) } }

  /// The chain cut into virtual stages: all of them, or the chunks of the stage `only`.
  func parts(_ map: StageMap?, only: Int? = nil) -> [Part] {
    guard let map, !map.isWhole else {
      return [Part(arrival: nil, units: units, departure: nil)]
    }
    func place(_ virtual: Int) -> Int? {
      guard let only else { return virtual }
      return virtual % map.stages == only ? virtual / map.stages : nil
    }
    var parts = Array(
      repeating: Part(arrival: nil, units: [], departure: nil),
      count: only == nil ? map.layers.count : map.chunks)
    var last: (stage: Int, segment: Int, layer: Int)?
    var layer = 0
    for segment in counts.indices {
      let stages = stages(of: segment, firstLayer: layer, map)
      for (stage, layers) in stages {
        defer { last = (stage, segment, layers.upperBound - 1) }
        let (own, before) = (place(stage), place(last?.stage ?? stage))
        guard own != nil || before != nil else { continue }
        if let last, last.stage < stage {
          let (from, to) = (
            (segment: last.segment, layer: last.layer), (segment, layers.lowerBound)
          )
          if let boundary = boundary(from, to) {
            if let before { parts[before].departure = end(boundary.departure, at: from, number: 0) }
            if let own { parts[own].arrival = end(boundary.arrival, at: to, number: 1) }
          }
        }
        if let own { parts[own].units += units(segment, layers, firstLayer: layer, map) }
      }
      if areLayers[segment] { layer += counts[segment] }
    }
    return parts
  }

  /// The repetitions of a segment by virtual stage.
  private func stages(
    of segment: Int, firstLayer: Int, _ map: StageMap
  ) -> [(stage: Int, layers: Range<Int>)] {
    let count = counts[segment]
    guard areLayers[segment] else {
      return [(stage(ofEnd: segment, firstLayer: firstLayer, map), 0..<count)]
    }
    return map.layers.enumerated().compactMap { stage, layers in
      let own = layers.clamped(to: firstLayer..<firstLayer + count)
      guard !own.isEmpty else { return nil }
      return (stage, own.lowerBound - firstLayer..<own.upperBound - firstLayer)
    }
  }

  /// The virtual stage of a segment whose repetitions are no layers: the first before all layers, the
  /// last after them, between that of the layer before.
  private func stage(ofEnd segment: Int, firstLayer: Int, _ map: StageMap) -> Int {
    if !areLayers[segment...].contains(true) { return map.layers.count - 1 }
    return firstLayer == 0 ? 0 : map.virtualStage(ofLayer: firstLayer - 1)
  }

  /// What lies on one side of a boundary, at a layer of a segment; numbered after all blocks and joints.
  private func end(_ item: Item, at place: (segment: Int, layer: Int), number: Int) -> Unit {
    Unit(
      segment: place.segment, layers: place.layer..<place.layer + 1,
      items: [(2 * blocks[place.segment].count + number, item)])
  }

  private func boundary(
    _ from: (segment: Int, layer: Int), _ to: (segment: Int, layer: Int)
  ) -> Boundary? {
    let isInside = from.segment == to.segment
    return isInside ? boundaries[from.segment].inside : boundaries[from.segment].after
  }

  /// As below, cut where what is computed again changes; `firstLayer` is the segment's first.
  private func units(
    _ segment: Int, _ layers: Range<Int>, firstLayer: Int, _ map: StageMap
  ) -> [Unit] {
    guard areLayers[segment] else { return units(segment, layers) }
    let own = layers.lowerBound + firstLayer..<layers.upperBound + firstLayer
    return map.runs(of: own).flatMap { run, recompute in
      units(segment, run.lowerBound - firstLayer..<run.upperBound - firstLayer).map { unit in
        var unit = unit
        unit.recompute = recompute
        return unit
      }
    }
  }

  /// Repetitions `layers` of a segment: those that lead on within it, and where its end is among them
  /// the last.
  private func units(_ segment: Int, _ layers: Range<Int>) -> [Unit] {
    guard layers.upperBound == counts[segment] else {
      return [unit(segment, layers, last: joints[segment].last ?? nil)]
    }
    let end = layers.upperBound - 1
    let last = unit(segment, end..<end + 1, last: exits[segment])
    guard layers.count > 1 else { return [last] }
    return [
      unit(segment, layers.lowerBound..<end, last: joints[segment].last ?? nil), last,
    ]
  }

  private func unit(_ segment: Int, _ layers: Range<Int>, last: Item?) -> Unit {
    let blocks = blocks[segment]
    var items: [(block: Int, item: Item)] = []
    for (index, block) in blocks.enumerated() {
      items.append((index, block))
      let joint = index == blocks.count - 1 ? last : joints[segment][index]
      if let joint { items.append((blocks.count + index, joint)) }
    }
    return Unit(segment: segment, layers: layers, items: items)
  }
}
