import PlanIR

/// One step of a resharding: a collective, or a local slice.
enum ReshardStep: Hashable {
  case slice
  case collective(Collective, over: [AxisReference])
}

/// The steps that turn one sharding of a tensor into another, in the order that moves least: slices
/// and reductions make parts smaller before gathers make them larger.
///
/// For example `[{x}, {}] unreduced {y}` to `[{}, {y}]`: reduce-scatter of the second dimension over
/// y, then all-gather of the first over x.
struct Reshard {
  private(set) var steps: [(step: ReshardStep, result: Sharding)] = []
  private var current: Sharding
  private let wanted: Sharding
  private let dimensions: [Dimension]
  private let reduction: Reduction

  init(
    from source: Sharding, to wanted: Sharding, dimensions: [Dimension], reduction: Reduction
  ) {
    current = source
    self.wanted = wanted
    self.dimensions = dimensions
    self.reduction = reduction
    sliceCopies()
    reduceScatter()
    allReduce()
    allToAll()
    allGather()
    slice(while: { _ in true })
  }

  private mutating func append(_ step: ReshardStep, _ result: Sharding) {
    steps.append((step, result))
    current = result
  }

  /// What `wanted` has of dimension `index` past what is there; nil where they part before.
  private func missing(_ index: Int) -> [AxisReference]? {
    let (now, then) = (current.dimensions[index], wanted.dimensions[index])
    return then.starts(with: now) ? Array(then[now.count...]) : nil
  }

  /// Slices dimensions by axes over which there are copies, as far as their order allows.
  private mutating func sliceCopies() {
    let held = Set(current.axes + current.unreduced)
    slice(while: { !held.contains($0) })
  }

  private mutating func slice(while isCopied: (AxisReference) -> Bool) {
    var result = current
    for index in dimensions.indices {
      guard let missing = missing(index) else { continue }
      result.dimensions[index] += missing.prefix(while: isCopied)
    }
    if result != current { append(.slice, result) }
  }

  private mutating func reduceScatter() {
    for index in dimensions.indices {
      guard let missing = missing(index) else { continue }
      let axes = Array(missing.prefix { current.unreduced.contains($0) })
      guard !axes.isEmpty else { continue }
      var result = current
      result.dimensions[index] += axes
      result.unreduced.removeAll { axes.contains($0) }
      append(.collective(.reduceScatter(dimensions[index], reduction), over: axes), result)
    }
  }

  private mutating func allReduce() {
    let axes = current.unreduced.filter { !wanted.unreduced.contains($0) }
    guard !axes.isEmpty else { return }
    let result = current.with(unreduced: current.unreduced.filter { !axes.contains($0) })
    append(.collective(.allReduce(reduction), over: axes), result)
  }

  /// Moves axes from the minor end of one dimension to the minor end of another.
  private mutating func allToAll() {
    for source in dimensions.indices {
      for target in dimensions.indices where target != source {
        guard let missing = missing(target), !missing.isEmpty else { continue }
        let surplus = surplus(source)
        guard !surplus.isEmpty, missing.starts(with: surplus) else { continue }
        var result = current
        result.dimensions[source].removeLast(surplus.count)
        result.dimensions[target] += surplus
        let collective = Collective.allToAll(
          split: dimensions[target], concatenate: dimensions[source])
        append(.collective(collective, over: surplus), result)
      }
    }
  }

  private mutating func allGather() {
    for index in dimensions.indices {
      let surplus = surplus(index)
      guard !surplus.isEmpty else { continue }
      var result = current
      result.dimensions[index].removeLast(surplus.count)
      append(.collective(.allGather(dimensions[index]), over: surplus), result)
    }
  }

  /// The axes at the minor end of dimension `index` that `wanted` has not there.
  private func surplus(_ index: Int) -> [AxisReference] {
    let common = zip(current.dimensions[index], wanted.dimensions[index])
      .prefix { $0 == $1 }.count
    return Array(current.dimensions[index][common...])
  }
}
