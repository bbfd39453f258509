import PlanIR

/// A block's bodies as a program numbers them.
struct CallableBlock {
  var forward, inputGradient, weightGradient, reduceGradients, optimize: BodyID?
}

/// What stands in a chain: for each segment its blocks, and between neighbours a joint where the
/// stream changes its sharding.
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

  /// Neighbouring layers that have the same items: all of a segment but its last, which leads on.
  struct Unit {
    let segment: Int
    let layers: Range<Int>
    let items: [(block: Int, item: Item)]
  }

  /// The chain as units, first to last. A joint after block b of n is numbered n + b.
  var units: [Unit] {
    counts.indices.flatMap { segment -> [Unit] in
      let count = counts[segment]
      let repeated = unit(segment, 0..<count - 1, last: joints[segment].last ?? nil)
      let last = unit(segment, count - 1..<count, last: exits[segment])
      return count > 1 ? [repeated, last] : [last]
    }
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

/// The chain of blocks as calls: which body runs where, in the order of a step without pipeline.
struct Chain {
  let parts: ChainParts<CallableBlock>

  /// Every place of the chain with its bodies, first to last.
  private var places: [(position: BlockPosition, bodies: CallableBlock)] {
    parts.units.flatMap { unit in
      unit.layers.flatMap { layer in
        unit.items.map { block, item in
          (BlockPosition(segment: unit.segment, layer: layer, block: block), item)
        }
      }
    }
  }

  /// Forward and backward of each micro-batch in turn; then gradients are reduced and the
  /// parameters updated.
  func calls(microBatches: Int) -> [Call] {
    let places = places
    var calls: [Call] = []
    func append(_ body: BodyID?, _ phase: Phase, _ position: BlockPosition, _ microBatch: Int) {
      guard let body else { return }
      calls.append(Call(body: body, phase: phase, position: position, microBatch: microBatch))
    }
    for microBatch in 0..<microBatches {
      for (position, bodies) in places { append(bodies.forward, .forward, position, microBatch) }
      for (position, bodies) in places.reversed() {
        append(bodies.inputGradient, .inputGradient, position, microBatch)
        append(bodies.weightGradient, .weightGradient, position, microBatch)
      }
    }
    for (position, bodies) in places.reversed() {
      append(bodies.reduceGradients, .reduceGradients, position, microBatches - 1)
    }
    for (position, bodies) in places {
      append(bodies.optimize, .optimize, position, microBatches - 1)
    }
    return calls
  }
}
