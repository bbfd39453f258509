import PlanIR

extension LayerPoint {
  /// What the blocks of a class take at least of a micro-batch of `size`, and hold, in all layers, devices
  /// numbered as the mesh numbers them: so they are in mixtures. Nil where there are none.
  func least(of blockClass: BlockClass, _ size: Int, _ training: TrainingGraph) -> ClassLeast? {
    func own(_ groups: [LayerGroup]) -> ClassLeast? {
      classes(groups.filter { $0.classes.contains(blockClass) }, size, training)[blockClass]
    }
    guard let gathered = own(groups) else { return nil }
    return mayBePanelled ? own(panelled).map(gathered.least) ?? gathered : gathered
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
          units, cost, group.placements.first, isLast: false, isShared: true)
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
