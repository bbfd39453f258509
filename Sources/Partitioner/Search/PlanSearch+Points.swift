import PlanIR

/// Points of layers, and the ways to spread them over replicas and stages.
extension PlanSearch {
  /// Lowers the layers of every tensor mesh and context once.
  mutating func findPoints() {
    var known: [DeviceSplit: [DeviceSplit]] = [:]
    var order: [DeviceSplit] = []
    for split in splits {
      var key = split
      (key.data, key.stages) = (LayerPoint.replicas, 1)
      if known[key] == nil { order.append(key) }
      known[key, default: []].append(split)
    }
    for key in order {
      for shape in space.shapes(tensor: key.tensor) {
        let splits = space.splits(known[key] ?? [], of: shape)
        let variants = splits.isEmpty ? [] : space.variants(shape, key)
        guard let first = variants.first else { continue }
        let violation = LayoutProbe.indivisible(first, training)
        for choices in variants {
          if let violation = violation ?? indivisibleHeads(choices) {
            refuse(choices, splits, violation)
          } else {
            add(choices, shape, splits)
          }
        }
      }
    }
  }

  /// Heads that a context axis, by an all-to-all, splits into parts that do not divide them.
  private func indivisibleHeads(_ choices: PlanChoices) -> ConstraintViolation? {
    guard choices.contextAttention == .allToAll, choices.degree("context") > 1,
      training.model.has(.attention), let layout = try? LayoutCatalog.layout(choices.layout)
    else { return nil }
    return LayoutProbe(layout, choices.mesh, training).indivisibleHeads(choices)
  }

  private mutating func add(
    _ choices: PlanChoices, _ shape: LayoutShape, _ splits: [DeviceSplit]
  ) {
    do throws(ConstraintViolation) {
      points.append(try LayerPoint(choices, shape, splits, space, &trunks, &chains))
      let point = points.count - 1
      if let bound = bound(point) {
        heap.push(.point(point), bound: bound)
        points[point].forgetPasses()
      } else {
        for split in splits { bound(point, split) }
      }
    } catch {
      refuse(choices, splits, error)
    }
  }

  private mutating func refuse(
    _ choices: PlanChoices, _ splits: [DeviceSplit], _ violation: ConstraintViolation
  ) {
    certify([CertificatePath.point(choices)], nil)
    ranking.refuse(violation, count: splits.reduce(0) { $0 + counts.of($1, choices) })
  }

  /// The least that a step takes over all ways to spread a point's layers; nil where none divides and leaves their
  /// parameters room.
  private mutating func bound(_ point: Int) -> Int? {
    let trunk = points[point].isTrunk ? points[point].trunk : nil
    if let known = trunk?.leastStep { return known }
    var least: Int?
    for split in points[point].splits {
      let sizes = space.microBatches(data: split.data).filter { points[point].divides($0) }
      guard let first = sizes.first else { continue }
      let exchanges = exchanges(point, split, first)
      guard !exchanges.isEmpty else { continue }
      let exchange = exchanges.least
      for size in sizes {
        let own = leastBound(point, split, size, exchange)
        least = min(least ?? own, own)
      }
    }
    trunk?.leastStep = .some(least)
    return least
  }

  /// Lowers the rest of a point; then bounds every way to spread it over replicas and stages.
  mutating func open(_ point: Int, atLeast least: Int) {
    if !points[point].isWhole {
      points[point].complete(request, &chains)
      let bound = points[point].refusal == nil ? bound(point) : nil
      if let bound, bound > least { return heap.push(.point(point), bound: bound) }
    }
    for split in points[point].splits {
      if let refusal = points[point].refusal {
        let choices = points[point].choices
        certify(CertificatePath.spread(choices, split), nil)
        ranking.refuse(refusal, count: counts.of(split, points[point].choices))
      } else {
        bound(point, split)
      }
    }
  }

  /// Bounds the micro-batches that divide; refuses those that do not, or leave their parameters no room.
  private mutating func bound(_ point: Int, _ split: DeviceSplit) {
    let all = space.microBatches(data: split.data)
    let sizes = all.filter { points[point].divides($0) }
    refuse(point, split, sizes: all.filter { !sizes.contains($0) })
    guard let first = sizes.first else { return }
    let exchanges = exchanges(point, split, first)
    guard !exchanges.isEmpty else { return refuseOverMemory(point, split, sizes: sizes) }
    let bounds = sizes.map { size in
      (size: size, bound: leastBound(point, split, size, exchanges.least))
    }
    heap.push(.spread(point: point, split, bounds), bound: bounds.map(\.bound).min() ?? 0)
  }

  private mutating func refuseOverMemory(_ point: Int, _ split: DeviceSplit, sizes: [Int]) {
    let choices = points[point].choices
    for size in sizes {
      certify(
        CertificatePath.spread(choices, split) + [CertificatePath.microBatch(size)], nil)
    }
    if !sizes.isEmpty {
      ranking.refuseOverMemory(count: counts.of(split, choices, microBatches: sizes))
    }
  }

  /// Puts micro-batches of each of `sizes` where they belong.
  mutating func spread(_ point: Int, _ split: DeviceSplit, _ sizes: [SizeBound]) {
    for (size, bound) in sizes {
      heap.push(.batch(point: point, split, microBatch: size, isPlaced: false), bound: bound)
    }
  }

  /// Bounds micro-batches by what fits, then by what replicas exchange where they lie.
  mutating func place(
    _ point: Int, _ split: DeviceSplit, _ size: Int, atLeast least: Int
  ) {
    guard let fitting = fittingBound(point, split, size) else {
      return refuseOverMemory(point, split, sizes: [size])
    }
    var bound = max(least, fitting)
    if !ranking.isBeaten(bound) {
      bound = max(bound, self.bound(point, split, size, openShards(point, split, size)))
    }
    heap.push(.batch(point: point, split, microBatch: size, isPlaced: true), bound: bound)
  }

  /// What a step takes at least, whether or not it fits; where memory is asked for, what the fullest device holds.
  private mutating func bound(
    _ point: Int, _ split: DeviceSplit, _ microBatch: Int, _ shards: OpenShards
  ) -> Int {
    guard request.objective == .time else { return leastHeld(point, split, microBatch) }
    let clock = SpreadClock(split, microBatch, space)
    let ends = ends(point, split, microBatch)
    let bounds = points[point].bounds(
      microBatch, replicas: split.data, sharing: shards.isPartial, request)
    let copies = points[point].copies
    var least = Int.max
    for blocks in bounds.layers {
      guard shards.isPartial else {
        let (layer, once) = blocks.bound(sharedBy: copies)
        least = min(least, clock.step(layer, once: once, ends: ends))
        continue
      }
      for shard in shards.all {
        let (layer, once) = blocks.bound(sharding: shard, gathersAgain: false)
        least = min(least, clock.step(layer, once: once, ends: ends))
      }
    }
    return least == Int.max ? 0 : least
  }

  /// What the ends compute of a micro-batch at least on the devices of one stage.
  private mutating func ends(
    _ point: Int, _ split: DeviceSplit, _ microBatch: Int
  ) -> Picoseconds {
    if request.timings.isEmpty { return space.ends.head(split, microBatch).all }
    return points[point].trunk.ends.least(
      microBatch, hasStages: split.stages > 1, &chains)
  }
}
