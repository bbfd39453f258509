import PlanIR

/// The layers of a point under a placement, block by block: what each takes of a micro-batch at least, and what its
/// replicas exchange. What goes on beside kernels does so beside those of its own block.
struct LayerBlocks {
  private var kinds: [Kind] = []

  /// Layers of a segment, which are alike.
  private struct Kind {
    let layers: Int
    let blocks: [Block]
  }

  private struct Block {
    let times: LayerTimes
    let replicas: ReplicaTimes
  }

  /// Adds `layers` layers of `blocks` under the placement numbered `placement`, of which replicas exchange as much by
  /// place; nothing is told of others.
  mutating func add(
    _ blocks: [BlockPasses.PlacedBlock], _ placement: Int, _ replicas: [Int: ReplicaTimes],
    layers: Int
  ) {
    let blocks = blocks.map {
      Block(times: $0.times[placement], replicas: replicas[$0.place] ?? ReplicaTimes())
    }
    kinds.append(Kind(layers: layers, blocks: blocks))
  }

  /// Whether `other` takes no less, in any of it.
  func isLeast(_ other: LayerBlocks) -> Bool {
    zip(kinds, other.kinds).allSatisfy { own, other in
      zip(own.blocks, other.blocks).allSatisfy {
        $0.times.isLeast($1.times) && $0.replicas.isLeast($1.replicas)
      }
    }
  }

  /// Layers where parameters are sharded so, weights gathered again for gradients where `gathersAgain`; and what a layer
  /// takes once a step.
  func bound(
    sharding weights: ShardedWeights, gathersAgain: Bool
  ) -> (layer: LayerBound, once: OnceBound) {
    let isShared = weights.zero > 1 || !weights.over.isEmpty
    return bound { block in
      let exchange = block.replicas.bound(sharding: weights, gathersAgain: gathersAgain)
      let times = isShared ? block.times : block.times.withWholeGradients
      return (times.exchanging(exchange), exchange.once)
    }
  }

  /// The same whatever is sharded, over replicas and as many `copies` beside them.
  func bound(sharedBy copies: Int) -> (layer: LayerBound, once: OnceBound) {
    let all = ReplicaTimes.forms.map { isWhole, zero in
      bound {
        ($0.times, $0.replicas.once(sharedBy: copies, isWhole: isWhole, zero: zero))
      }
    }
    return (all[0].layer, all.dropFirst().reduce(all[0].once) { $0.least($1.once) })
  }

  private func bound(
    _ block: (Block) -> (LayerTimes, OnceBound)
  ) -> (layer: LayerBound, once: OnceBound) {
    var (bound, once) = (LayerBound(), OnceBound?.none)
    for kind in kinds {
      var (times, own) = (LayerTimes(), OnceBound())
      for part in kind.blocks {
        let (blockTimes, blockOnce) = block(part)
        (times, own) = (times + blockTimes, own + blockOnce)
      }
      bound.add(times, layers: kind.layers)
      once = once.map { $0.least(own) } ?? own
    }
    return (bound, once ?? OnceBound())
  }
}

extension LayerTimes {
  /// The same where nothing of weights and gradients is sharded over data.
  fileprivate var withWholeGradients: LayerTimes {
    var result = self
    result.passes.weightGradient += unsharded
    result.unsharded = .zero
    return result
  }

  /// The same with what replicas exchange.
  fileprivate func exchanging(_ exchange: ReplicaBound) -> LayerTimes {
    var result = self
    result.passes = passes.exchanging(exchange, sent: sent)
    return result
  }

  /// Whether `other` takes no less, in any of it.
  fileprivate func isLeast(_ other: LayerTimes) -> Bool {
    passes.isLeast(other.passes) && sent.isLeast(other.sent) && unsharded <= other.unsharded
      && again.allSatisfy { $0.value <= other.again[$0.key] ?? $0.value }
  }
}
