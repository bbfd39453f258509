import PlanIR

/// What layers and ends take under a placement, to bound cuts into stages.
struct PlacedTimes {
  /// Of the layer that takes least.
  private(set) var layer = PassBound()
  private(set) var once = OnceBound()
  /// What computing the layer again takes at least, by how much of it.
  private(set) var again: ByRecomputation<Picoseconds> = [:]
  /// What stages take beside layers.
  private(set) var parts = StageParts()

  /// Of a chain whose times are known.
  init(_ chain: ChainParts<TimedBlock>) {
    let range = LayerRange(chain.areLayers)
    var least: PassBound?
    for segment in chain.blocks.indices where chain.areLayers[segment] {
      let blocks = chain.blocks[segment]
      let passes = Self.passes(blocks)
      let isFirst = least == nil
      least = least.map { $0.least(passes) } ?? passes
      once = isFirst ? Self.once(blocks) : once.least(Self.once(blocks))
      for kind in [Recomputation.selective, .full] {
        let time = blocks.reduce(Picoseconds.zero) {
          $0 + ($1.forms.again(kind, isLast: true) ?? .zero)
        }
        again[kind] = min(again[kind] ?? time, time)
      }
    }
    layer = least ?? PassBound()
    for segment in chain.blocks.indices where !chain.areLayers[segment] {
      let (blocks, count) = (chain.blocks[segment], chain.counts[segment])
      parts.add(Self.passes(blocks) * count, once: Self.once(blocks) * count, segment, range)
    }
    setBoundaries(of: chain)
  }

  /// What is least of each boundary where the chain may be cut.
  private mutating func setBoundaries(of chain: ChainParts<TimedBlock>) {
    let own = LayerRange.cuts(chain.boundaries, areLayers: chain.areLayers, counts: chain.counts)
    func least(_ item: KeyPath<ChainParts<TimedBlock>.Boundary, TimedBlock>) -> PassBound {
      let times = own.map { $0.map { Self.passes([$0[keyPath: item]]) } ?? PassBound() }
      return times.dropFirst().reduce(times.first ?? PassBound()) { $0.least($1) }
    }
    (parts.arrival, parts.departure) = (least(\.arrival), least(\.departure))
  }

  /// What a stage computes again of a micro-batch at least.
  func again(_ choice: StageChoice) -> Picoseconds {
    (again[.full] ?? .zero) * choice.recomputeFull
      + (again[.selective] ?? .zero) * choice.recomputeSelective
  }

  private static func passes(_ blocks: [TimedBlock]) -> PassBound {
    blocks.reduce(PassBound()) { sum, block in
      sum
        + PassBound(
          forward: block.forward, inputGradient: block.inputGradient,
          weightGradient: block.weightGradient(isSplit: false))
    }
  }

  private static func once(_ blocks: [TimedBlock]) -> OnceBound {
    blocks.reduce(OnceBound()) { sum, block in
      sum
        + OnceBound(
          time: block.reduceGradients.time + block.optimize.time, reductions: block.reductions)
    }
  }
}
