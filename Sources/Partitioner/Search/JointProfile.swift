import PlanIR

/// The joint from an attention block to an mlp block, as a function of the batch.
struct JointProfile {
  private let profile: BlockProfile
  private let axes: [[AxisReference]]
  private let mesh: Mesh
  let unit: Int

  /// The joint of the mixture `choices`; nil where nothing moves.
  init?(_ training: TrainingGraph, _ choices: PlanChoices) throws(ConstraintViolation) {
    var choices = choices
    choices.microBatch = choices.mesh.deviceCount
    // A joint has no product; panels may be another block's.
    choices.matmul = .gathered
    let context = try LoweringContext(
      sizes: training.sizes, workload: training.workload, choices: choices,
      isTied: training.isTied)
    let bodies = try JointLowering(context: context).bodies(from: .attention, to: .mlp)
    guard let bodies else { return nil }
    let group = try LoweredGroup(
      [(bodies, [])], between: [.attention, .mlp], context)
    (profile, axes, unit) = (group.profiles[0], group.axes, group.unit)
    mesh = choices.mesh
  }

  /// What it holds, of one micro-batch.
  func memory(_ units: Int, _ request: SearchRequest, fill: Int) -> PricedBlock {
    let network = NetworkTable(asNumbered: request, mesh: mesh, fill: fill)
    return profile.priced(units, network.costs[0]).memory
  }

  /// Its backward pass.
  func backward(_ units: Int, _ request: SearchRequest, fill: Int) -> BackwardWork {
    let network = NetworkTable(asNumbered: request, mesh: mesh, fill: fill)
    return PricedGroup([profile.priced(units, network.costs[0])], axes, network: network)
      .backward(placement: 0)[0]
  }

  /// The time of one micro-batch, forward and back.
  func time(_ units: Int, _ request: SearchRequest, fill: Int) -> Picoseconds {
    let network = NetworkTable(asNumbered: request, mesh: mesh, fill: fill)
    return PricedGroup([profile.priced(units, network.costs[0])], axes, network: network)
      .time(0, microBatches: 1, placement: 0)
  }
}

extension TrainingGraph {
  /// Classes of blocks that follow one another in the chain, and how often.
  var neighbours: [(giver: BlockClass, taker: BlockClass, count: Int)] {
    var found: [(giver: BlockClass, taker: BlockClass, count: Int)] = []
    for (index, segment) in segments.enumerated() {
      let classes = segment.blocks.map(\.graph.blockClass)
      for (giver, taker) in zip(classes, classes.dropFirst()) {
        found.append((giver, taker, segment.count))
      }
      guard let first = classes.first, let last = classes.last else { continue }
      if segment.count > 1 { found.append((last, first, segment.count - 1)) }
      guard index + 1 < segments.count,
        let next = segments[index + 1].blocks.first?.graph.blockClass
      else { continue }
      found.append((last, next, 1))
    }
    return found
  }
}
