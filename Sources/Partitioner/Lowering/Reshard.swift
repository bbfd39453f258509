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
///
/// Axes are refined to parts that are equal or apart first, so that `{x:(1)2}` is seen to be the
/// major part of `{x}`.
struct Reshard {
  private(set) var steps: [(step: ReshardStep, result: Sharding)] = []
  private var current: Parts
  private let wanted: Parts
  private let dimensions: [Dimension]
  private let reduction: Reduction

  /// A sharding refined to parts that are equal or apart.
  private struct Parts: Equatable {
    var dimensions: [[AxisReference]]
    var unreduced: [AxisReference]
    var chunks: [AxisReference]

    init(_ sharding: Sharding, _ cuts: AxisCuts) {
      dimensions = sharding.dimensions.map(cuts.refined)
      unreduced = cuts.refined(sharding.unreduced)
      chunks = cuts.refined(sharding.chunks)
    }

    var sharding: Sharding {
      Sharding(dimensions: dimensions, unreduced: unreduced, chunks: chunks)
    }
  }

  init(
    from source: Sharding, to wanted: Sharding, dimensions: [Dimension], reduction: Reduction
  ) {
    let cuts = AxisCuts(
      [source, wanted].flatMap { $0.axes + $0.unreduced + $0.chunks })
    current = Parts(source, cuts)
    self.wanted = Parts(wanted, cuts)
    self.dimensions = dimensions
    self.reduction = reduction
    gatherChunks()
    sliceCopies()
    reduceScatter()
    allReduce()
    allToAll()
    allGather()
    slice(while: { _ in true })
    scatterChunks()
  }

  private mutating func append(_ step: ReshardStep, _ result: Parts) {
    steps.append((step, result.sharding))
    current = result
  }

  /// Chunks are of the part as it is split: they are made whole first.
  private mutating func gatherChunks() {
    guard !current.chunks.isEmpty, current != wanted else { return }
    var result = current
    result.chunks = []
    append(.collective(.gatherChunks, over: current.chunks.merged), result)
  }

  /// And cut last, when the part is split as it will be.
  private mutating func scatterChunks() {
    guard !wanted.chunks.isEmpty, current.chunks.isEmpty else { return }
    var result = current
    result.chunks = wanted.chunks
    result.unreduced.removeAll { wanted.chunks.contains($0) }
    let isPartial = wanted.chunks.allSatisfy { current.unreduced.contains($0) }
    append(
      isPartial ? .collective(.scatterChunks(reduction), over: wanted.chunks.merged) : .slice,
      result)
  }

  /// What `wanted` has of dimension `index` past what is there; nil where they part before.
  private func missing(_ index: Int) -> [AxisReference]? {
    let (now, then) = (current.dimensions[index], wanted.dimensions[index])
    return then.starts(with: now) ? Array(then[now.count...]) : nil
  }

  /// Slices dimensions by axes over which there are copies, as far as their order allows.
  private mutating func sliceCopies() {
    let held = Set(current.dimensions.joined() + current.unreduced)
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
      append(
        .collective(.reduceScatter(dimensions[index], reduction), over: axes.merged), result)
    }
  }

  private mutating func allReduce() {
    let kept = wanted.unreduced + scattered
    let axes = current.unreduced.filter { !kept.contains($0) }
    guard !axes.isEmpty else { return }
    var result = current
    result.unreduced.removeAll { axes.contains($0) }
    append(.collective(.allReduce(reduction), over: axes.joined), result)
  }

  /// The axes whose sum the scattering into chunks forms.
  private var scattered: [AxisReference] {
    wanted.chunks.allSatisfy { current.unreduced.contains($0) } ? wanted.chunks : []
  }

  /// Moves axes from the minor end of one dimension to the minor end of another.
  private mutating func allToAll() {
    for source in dimensions.indices {
      for target in dimensions.indices where target != source {
        guard let missing = missing(target), !missing.isEmpty else { continue }
        let surplus = surplus(source)
        let movable = (1...max(surplus.count, 1)).reversed().lazy
          .map { Array(surplus.suffix($0)) }.first { !$0.isEmpty && missing.starts(with: $0) }
        guard let movable else { continue }
        var result = current
        result.dimensions[source].removeLast(movable.count)
        result.dimensions[target] += movable
        let collective = Collective.allToAll(
          split: dimensions[target], concatenate: dimensions[source])
        append(.collective(collective, over: movable.merged), result)
      }
    }
  }

  private mutating func allGather() {
    for index in dimensions.indices {
      let surplus = surplus(index)
      guard !surplus.isEmpty else { continue }
      var result = current
      result.dimensions[index].removeLast(surplus.count)
      append(.collective(.allGather(dimensions[index]), over: surplus.merged), result)
    }
  }

  /// The axes at the minor end of dimension `index` that `wanted` has not there.
  private func surplus(_ index: Int) -> [AxisReference] {
    let common = zip(current.dimensions[index], wanted.dimensions[index])
      .prefix { $0 == $1 }.count
    return Array(current.dimensions[index][common...])
  }
}
