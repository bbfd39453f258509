import PlanIR

/// What the blocks of a plan would cost under other layouts on as many devices, all else chosen
/// alike, devices as the mesh numbers them and no stream resharded; whether a plan of them would fit
/// in memory is not asked.
struct Alternatives {
  let training: TrainingGraph
  let choices: PlanChoices
  let cluster: Cluster
  let timings: TimingTable

  /// For each place of the chain the cheapest shape of each layout, fastest first, the plan's own
  /// layout among them, if in another shape; of a layout that has none, why.
  func all() -> [BlockGroup.Place: [Explanation.Alternative]] {
    let groups = training.groups
    var found: [BlockGroup.Place: [Explanation.Alternative]] = [:]
    for group in groups.layers + [groups.ends] {
      for layout in LayoutCatalog.all {
        for (place, alternative) in alternatives(group, layout) {
          found[place, default: []].append(alternative)
        }
      }
    }
    return found.mapValues { $0.sorted(by: precedes) }
  }

  private func precedes(
    _ left: Explanation.Alternative, _ right: Explanation.Alternative
  ) -> Bool {
    switch (left.step, right.step) {
    case let (first?, second?): (first, left.layout) < (second, right.layout)
    case (nil, nil): left.layout < right.layout
    case (let first, _): first != nil
    }
  }

  /// The cheapest shape of `layout` for each block of a group.
  private func alternatives(
    _ group: BlockGroup, _ layout: any Layout
  ) -> [(BlockGroup.Place, Explanation.Alternative)] {
    let shapes = LayoutShape.all(layout, devices: choices.tensorDegree)
    var best: [BlockGroup.Place: Explanation.Alternative] = [:]
    var refusal: ConstraintViolation?
    for shape in shapes {
      do throws(ConstraintViolation) {
        for (place, priced) in zip(group.places, try price(group, shape, layout)) {
          let isBetter = best[place].map { precedes(priced, $0) } ?? true
          if isBetter { best[place] = priced }
        }
      } catch {
        refusal = refusal ?? error
      }
    }
    return group.places.compactMap { place in
      if let found = best[place] { return (place, found) }
      guard let refusal else { return nil }
      return (
        place,
        Explanation.Alternative(
          layout: layout.name, mesh: "", step: nil, total: .zero, refusal: "\(refusal)")
      )
    }
  }

  private func price(
    _ group: BlockGroup, _ shape: LayoutShape, _ layout: any Layout
  ) throws(ConstraintViolation) -> [Explanation.Alternative] {
    let other = choices.uniform(shape, data: choices.degree("data"), of: layout)
    var context = try training.context(other)
    let map = try StageMap(choices)
    let blocks = try training.lowered(group, &context, recomputing: map.recomputations)
    let precision = training.workload.precision
    let cost = ClusterCost(
      cluster: cluster, precision: precision, mesh: other.mesh, placement: [], timings: timings)
    return zip(group.places, blocks).map { place, block in
      let priced = PricedBlock(
        block.bodies, parameters: block.parameters, mesh: other.mesh, precision: precision,
        cost: cost)
      let all = priced.all(
        training.runs(of: place.segment, map), of: block.bodies, cost,
        microBatches: choices.microBatches, isSplit: choices.schedule == .zeroBubble)
      return Explanation.Alternative(
        layout: shape.layout, mesh: shape.text, step: all.step, sources: all.sources,
        total: all.total, refusal: nil)
    }
  }
}

extension PlanChoices {
  /// These choices for one shape of every block, without those that its layout has not.
  func uniform(_ shape: LayoutShape, data: Int, of layout: any Layout) -> PlanChoices {
    var choices = self
    let axes = (try? layout.axes(for: shape.degrees)) ?? []
    choices.layout = shape.layout
    let outer = ["pipeline", "context"].map { MeshAxis($0, degree($0)) }
    choices.mesh = Mesh([MeshAxis("data", data)] + outer + axes)
    choices.placement = []
    choices.blockMeshes = [:]
    for blockClass in BlockClass.allCases { choices.blocks[blockClass] = shape.layout }
    choices.sequenceParallel = sequenceParallel && layout.hasSequenceParallelism
    choices.matmul = layout.hasPanels ? matmul : .gathered
    choices.weightsOver = weightsOver.filter { $0 == "data" || layout.copyAxes.contains($0) }
    if !layout.tableForms(isTied: true).contains(tableForm) { choices.tableForm = .gathered }
    return choices
  }
}

extension TrainingGraph {
  /// A segment's layers by what of them is computed again.
  func runs(
    of segment: Int, _ map: StageMap
  ) -> [(layers: Range<Int>, recompute: Recomputation)] {
    let count = segments[segment].count
    guard areLayers[segment] else { return [(0..<count, .none)] }
    let first = (0..<segment).reduce(0) { areLayers[$1] ? $0 + segments[$1].count : $0 }
    return map.runs(of: first..<first + count)
  }
}

extension PricedBlock {
  /// What all layers of a block take of a step of `microBatches`, and send over all devices; `runs` say what of them is
  /// computed again; backward passes are split, or not.
  func all(
    _ runs: [(layers: Range<Int>, recompute: Recomputation)], of bodies: BlockBodies,
    _ cost: ClusterCost, microBatches: Int, isSplit: Bool
  ) -> (step: Picoseconds, sources: SourcedTime, total: Bytes) {
    var (step, sources, total) = (Picoseconds.zero, SourcedTime(), Bytes.zero)
    for (layers, recompute) in runs {
      let hidden =
        hidden(cost, recomputing: recompute, isLast: true, isSplit: isSplit) * microBatches
      let all = self.step(cost, microBatches: microBatches, recomputing: recompute)
      step += (all - hidden) * layers.count
      var own = cost.stepSources(of: bodies, microBatches: microBatches, recomputing: recompute)
      own.hide(hidden)
      sources.add(own, times: layers.count)
      let each = sent(microBatches: microBatches, recomputing: recompute)
      total += Bytes(each.count * layers.count)
    }
    return (step, sources, total)
  }
}
