import PlanIR

/// What layers and ends take under a placement, to bound cuts into stages.
struct PlacedTimes {
  /// Of the layer that takes least.
  private(set) var layer = PassBound()
  private(set) var once = OnceBound()
  /// What computing the layer again takes at least, by how much of it.
  private(set) var again: ByRecomputation<Picoseconds> = [:]
  /// What comes before all layers, and after.
  private(set) var first = PassBound()
  private(set) var last = PassBound()
  private(set) var firstOnce = OnceBound()
  private(set) var lastOnce = OnceBound()
  /// What arriving at a stage, and departing from one, takes of a micro-batch.
  private(set) var arrival = PassBound()
  private(set) var departure = PassBound()

  /// Of a chain whose times are known.
  init(_ chain: ChainParts<TimedBlock>) {
    let own = chain.areLayers.indices.filter { chain.areLayers[$0] }
    var least: PassBound?
    for segment in own {
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
      let blocks = chain.blocks[segment]
      if segment < own.first ?? 0 {
        first = first + Self.passes(blocks) * chain.counts[segment]
        firstOnce = firstOnce + Self.once(blocks) * chain.counts[segment]
      } else if segment > own.last ?? -1 {
        last = last + Self.passes(blocks) * chain.counts[segment]
        lastOnce = lastOnce + Self.once(blocks) * chain.counts[segment]
      }
    }
    setBoundaries(of: chain)
  }

  /// What is least of each boundary where the chain may be cut.
  private mutating func setBoundaries(of chain: ChainParts<TimedBlock>) {
    var own: [ChainParts<TimedBlock>.Boundary?] = []
    for (segment, boundary) in chain.boundaries.enumerated() {
      if chain.areLayers[segment] && chain.counts[segment] > 1 { own.append(boundary.inside) }
      if segment + 1 < chain.blocks.count { own.append(boundary.after) }
    }
    func least(_ item: KeyPath<ChainParts<TimedBlock>.Boundary, TimedBlock>) -> PassBound {
      let times = own.map { $0.map { Self.passes([$0[keyPath: item]]) } ?? PassBound() }
      return times.dropFirst().reduce(times.first ?? PassBound()) { $0.least($1) }
    }
    (arrival, departure) = (least(\.arrival), least(\.departure))
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
          weightGradient: block.weightGradient)
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
