import PlanIR

/// The bodies of a block class; nil where a phase has nothing to do.
struct BlockBodies {
  var forward, inputGradient, weightGradient, reduceGradients, optimize: Body?
  /// Of what sends: waits until what it sent has been received.
  var settle: Body?
  /// Of blocks of layers that are computed again, in either way that the plan has.
  var lean: [Recomputation: LeanBodies] = [:]

  /// Those it has, in the order of a step.
  var all: [Body] {
    let again = [Recomputation.selective, .full].compactMap { lean[$0]?.recompute }
    return ([forward] + again + [inputGradient, weightGradient, reduceGradients, optimize, settle])
      .compactMap(\.self)
  }

  /// The same bodies with every body changed by `change`.
  func map(_ change: (Body) -> Body) -> BlockBodies {
    BlockBodies(
      forward: forward.map(change), inputGradient: inputGradient.map(change),
      weightGradient: weightGradient.map(change), reduceGradients: reduceGradients.map(change),
      optimize: optimize.map(change), settle: settle.map(change),
      lean: lean.mapValues { $0.map(change) })
  }
}

/// A block class lowered: its bodies, and the parameters it stores.
struct LoweredBlock {
  var bodies: BlockBodies
  var parameters: [StoredParameter]
  /// Parameters of another stage's block of which this one's stage holds a copy.
  var copies: [StoredParameter]
  /// Whether any phase hands on an input, or a weight, as it was gathered: whether saving and
  /// gathering again differ.
  var keepsGatheredInputs, keepsGatheredWeights: Bool

  /// Lowers `block` of segment `segment`, which repeats `repetitions` times.
  init(
    _ block: GradientGraph, segment: Int, repetitions: Int, context: LoweringContext,
    unpadded: DimensionSizes
  ) throws(ConstraintViolation) {
    try context.checkAnnotations(of: block.graph)
    let step = try BlockStep(
      block, segment: segment, repetitions: repetitions, context: context, unpadded: unpadded)
    var lowering = BlockLowering(block, context: context)
    let phases = try lowering.bodies()
    bodies = BlockBodies(
      forward: phases[0], inputGradient: phases[1], weightGradient: phases[2],
      reduceGradients: step.reduceGradients, optimize: step.optimize)
    parameters = step.parameters
    copies = step.copies
    keepsGatheredInputs = lowering.keepsGatheredInputs
    keepsGatheredWeights = lowering.keepsGatheredWeights
  }

  /// Makes the bodies of layers that are computed again; `place` of `count` blocks of a layer is this
  /// one's.
  mutating func makeLean(_ kinds: Set<Recomputation>, place: Int, of count: Int) {
    guard let forward = bodies.forward else { return }
    if kinds.contains(.full) {
      bodies.lean[.full] = .full(forward, isFirst: place == 0, isLast: place == count - 1)
    }
    if kinds.contains(.selective) { bodies.lean[.selective] = .selective(forward) }
  }
}

/// What a block class stores, and does once a step: all in which ZeRO 1 differs from 0.
struct BlockStep {
  let parameters: [StoredParameter]
  /// Parameters of another stage's block of which this one's stage holds a copy.
  let copies: [StoredParameter]
  let reduceGradients, optimize: Body?

  /// Lowers what `block` of segment `segment` does once a step.
  init(
    _ block: GradientGraph, segment: Int, repetitions: Int, context: LoweringContext,
    unpadded: DimensionSizes
  ) throws(ConstraintViolation) {
    func stored(areOwn: Bool) throws(ConstraintViolation) -> [StoredParameter] {
      try Self.parameters(
        of: block, areOwn: areOwn, segment: segment, repetitions: repetitions, context: context,
        unpadded: unpadded)
    }
    parameters = try stored(areOwn: true)
    copies = context.mesh.stageCount > 1 ? try stored(areOwn: false) : []
    let step = StepLowering(context: context)
    reduceGradients = try step.reduceGradients(of: block.graph, parameters: parameters + copies)
    optimize = step.optimize(block.graph, parameters: parameters + copies)
  }

  private static func parameters(
    of block: GradientGraph, areOwn: Bool, segment: Int, repetitions: Int, context: LoweringContext,
    unpadded: DimensionSizes
  ) throws(ConstraintViolation) -> [StoredParameter] {
    var result: [StoredParameter] = []
    for (value, description) in block.graph.values.enumerated() {
      guard case .parameter(let index) = description.origin,
        block.graph.parameters[index].isOwn == areOwn,
        let placement = context.parameters[block.graph.parameters[index].name]
      else { continue }
      let type = try context.type(description, context.storage(of: value, in: block.graph))
      result.append(
        StoredParameter(
          name: block.graph.parameters[index].name, segment: segment, repetitions: repetitions,
          parameter: block.graph.parameters[index].parameter, type: type,
          unpaddedSizes: unpadded.shape(of: description.dimensions),
          unreduced: placement.unreduced, parts: context.workload.parts,
          gradientChunks: placement.gradientChunks, stateChunks: placement.stateChunks))
    }
    return result
  }
}

extension Workload {
  /// What is stored for each parameter.
  fileprivate var parts: [ParameterPart] {
    [.weight] + (precision.hasMasterWeights ? [.masterWeight] : [])
      + (0..<optimizer.momentCount).map { .moment($0) } + [.mainGradient]
  }
}
