package import PlanIR

/// A model under a workload, differentiated: what every candidate of a search lowers.
package struct TrainingGraph: Sendable {
  package let model: Model
  package let workload: Workload
  package let segments: [Segment]

  /// Differentiated blocks that repeat `count` times.
  package struct Segment: Sendable {
    package let count: Int
    package let blocks: [GradientGraph]
  }

  /// Breaks `model` into primitives and differentiates them.
  package init(model: Model, workload: Workload) throws(ModelError) {
    self.model = model
    self.workload = workload
    segments = try GraphBuilder.chain(of: model, workload: workload).map { segment in
      Segment(count: segment.count, blocks: segment.blocks.map { GradientGraph(of: $0) })
    }
  }

  var blocks: [GradientGraph] { segments.flatMap(\.blocks) }

  /// Whether the head multiplies by the embedding's table.
  var isTied: Bool {
    blocks.contains { block in
      block.graph.operations.contains { operation in
        guard operation.linear == LinearRole(from: .stream, to: .logits),
          case .parameter(let index) = block.graph.values[operation.inputs[1]].origin
        else { return false }
        return !block.graph.parameters[index].isOwn
      }
    }
  }

  /// Sizes of all named dimensions of the chain.
  var sizes: DimensionSizes { blocks.first?.graph.sizes ?? model.sizes }
}

/// Turns choices into the program that carries them out.
package struct Lowering {
  let training: TrainingGraph
  let context: LoweringContext
  /// Each block's bodies, by segment and block.
  private(set) var blocks: [[BlockBodies]] = []
  private(set) var parameters: [StoredParameter] = []

  /// The bodies of a block class; nil where a phase has nothing to do.
  struct BlockBodies {
    var forward, inputGradient, weightGradient: Body
    var reduceGradients, optimize: Body?
  }

  /// The program of `choices`, or the constraint that they violate.
  package static func program(
    of training: TrainingGraph, choices: PlanChoices
  ) throws(ConstraintViolation) -> Program {
    let lowering = try Lowering(training, choices)
    return lowering.program()
  }

  init(_ training: TrainingGraph, _ choices: PlanChoices) throws(ConstraintViolation) {
    self.training = training
    try BuiltChoices.check(choices)
    var context = try LoweringContext(
      sizes: training.sizes, workload: training.workload, choices: choices,
      isTied: training.isTied)
    try context.placeParameters(of: training.blocks)
    self.context = context
    for (index, segment) in training.segments.enumerated() {
      var bodies: [BlockBodies] = []
      for block in segment.blocks {
        let own = try storedParameters(of: block, segment: index, repetitions: segment.count)
        parameters += own
        bodies.append(try lower(block, own))
      }
      blocks.append(bodies)
    }
  }

  private func lower(
    _ block: GradientGraph, _ own: [StoredParameter]
  ) throws(ConstraintViolation) -> BlockBodies {
    let bodies = try BlockLowering.bodies(of: block, context: context)
    let step = StepLowering(context: context)
    return BlockBodies(
      forward: bodies[0], inputGradient: bodies[1], weightGradient: bodies[2],
      reduceGradients: try step.reduceGradients(of: block.graph, parameters: own),
      optimize: step.optimize(block.graph, parameters: own))
  }

  private func storedParameters(
    of block: GradientGraph, segment: Int, repetitions: Int
  ) throws(ConstraintViolation) -> [StoredParameter] {
    var result: [StoredParameter] = []
    for (value, description) in block.graph.values.enumerated() {
      guard case .parameter(let index) = description.origin,
        block.graph.parameters[index].isOwn,
        let placement = context.parameters[block.graph.parameters[index].name]
      else { continue }
      let type = try context.type(description, context.storage(of: value, in: block.graph))
      result.append(
        StoredParameter(
          name: block.graph.parameters[index].name, segment: segment, repetitions: repetitions,
          parameter: block.graph.parameters[index].parameter, type: type,
          unpaddedSizes: training.sizes.shape(of: description.dimensions),
          unreduced: placement.unreduced, parts: parts))
    }
    return result
  }

  private var parts: [ParameterPart] {
    let workload = training.workload
    return [.weight] + (workload.precision.hasMasterWeights ? [.masterWeight] : [])
      + (0..<workload.optimizer.momentCount).map { .moment($0) } + [.mainGradient]
  }

  private func program() -> Program {
    var bodies: [Body] = []
    func add(_ body: Body?) -> BodyID? {
      guard let body else { return nil }
      bodies.append(body)
      return bodies.count - 1
    }
    let identifiers = blocks.map { segment in
      segment.map { block in
        CallableBlock(
          forward: add(block.forward), inputGradient: add(block.inputGradient),
          weightGradient: add(block.weightGradient), reduceGradients: add(block.reduceGradients),
          optimize: add(block.optimize))
      }
    }
    let choices = context.choices
    let workload = training.workload
    let chain = Chain(counts: training.segments.map(\.count), blocks: identifiers)
    return Program(
      mesh: choices.mesh, precision: workload.precision, optimizer: workload.optimizer,
      dropout: workload.dropout, globalBatch: workload.globalBatch, sequence: workload.sequence,
      microBatch: choices.microBatch, microBatches: choices.microBatches,
      vocabulary: training.sizes[.vocabulary], parameters: parameters, bodies: bodies,
      stages: [
        Stage(
          layers: 0..<training.model.layers,
          calls: chain.calls(microBatches: choices.microBatches))
      ])
  }
}
