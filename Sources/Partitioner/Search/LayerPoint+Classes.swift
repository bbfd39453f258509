import PlanIR

extension LayerPoint {
  /// What the blocks of each class take at least of a micro-batch of `size`, and hold, in all layers, devices
  /// numbered as the mesh numbers them: so they are in mixtures.
  func leastOfClasses(_ size: Int, _ training: TrainingGraph) -> [BlockClass: ClassLeast] {
    let own = classes(groups, size, training)
    guard mayBePanelled else { return own }
    return own.merging(classes(panelled, size, training)) { $0.least($1) }
  }

  /// What those of `groups` take and hold.
  func classes(
    _ groups: [LayerGroup], _ size: Int, _ training: TrainingGraph
  ) -> [BlockClass: ClassLeast] {
    var found: [BlockClass: ClassLeast] = [:]
    for group in groups {
      let units = Self.replicas * size / group.lowered.unit
      for (index, profile) in group.lowered.profiles.enumerated() {
        let own = profile.passes(
          units, cost, Array(group.routes.prefix(1)), isLast: false, isShared: true)
        let layers = training.segments[group.segments[index]].count
        found[group.classes[index], default: ClassLeast()].add(own, layers: layers)
      }
    }
    return found
  }

  /// What all blocks of a class take of a micro-batch at least, what their parameters take, and how many bytes
  /// they keep.
  struct ClassLeast {
    private(set) var time = Picoseconds.zero
    private(set) var memory = LayerMemory()
    private(set) var kept = 0

    fileprivate mutating func add(_ block: BlockPasses, layers: Int) {
      time += (block.times.first?.passes.all ?? .zero) * layers
      var stored = LayerMemory()
      stored.stored = block.memory.stored * layers
      memory.add(stored)
      kept += (block.memory.kept[.none] ?? 0) * layers
    }

    /// The lesser of each.
    func least(_ other: ClassLeast) -> ClassLeast {
      var result = self
      result.time = min(time, other.time)
      result.memory = memory.least(other.memory)
      result.kept = min(kept, other.kept)
      return result
    }
  }
}

extension LayerPoint {
  /// What the head computes of a micro-batch of `size` at least in the point's shape; of a plan of one stage
  /// the embedding, too. Found where it is asked for: it must be lowered.
  mutating func ends(
    _ size: Int, hasStages: Bool, _ training: TrainingGraph, _ chains: inout ChainTable
  ) -> Picoseconds {
    let known = knownEnds[size] ?? leastEnds(size, training, &chains)
    knownEnds[size] = known
    return hasStages ? known.head : known.head + known.embedding
  }

  private func leastEnds(
    _ size: Int, _ training: TrainingGraph, _ chains: inout ChainTable
  ) -> EndShapes.Times {
    var least: EndShapes.Times?
    for matmul in mayBePanelled ? MatmulSchedule.allCases : [choices.matmul] {
      var choices = choices
      choices.matmul = matmul
      for form in (try? chains.tables(choices)) ?? [] {
        guard let ends = try? chains.ends(try training.openContext(form)),
          Self.replicas * size % ends.unit == 0
        else { continue }
        let own = EndShapes.Times(ends, Self.replicas * size, training, cost)
        least = least?.least(own) ?? own
      }
    }
    return least ?? EndShapes.Times()
  }
}
