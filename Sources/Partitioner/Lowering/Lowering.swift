package import PlanIR

/// Turns choices into the program that carries them out.
package struct Lowering {
  let training: TrainingGraph
  let context: LoweringContext
  /// Each block, by segment and place.
  private(set) var blocks: [[LoweredBlock]] = []
  /// What stands between blocks, as ``ChainParts`` has it.
  private(set) var joints: [[BlockBodies?]] = []
  private(set) var exits: [BlockBodies?] = []
  private(set) var boundaries: [(inside: Boundary?, after: Boundary?)] = []
  /// Where the chain is cut into stages.
  let map: StageMap

  typealias Boundary = ChainParts<BlockBodies>.Boundary

  /// The program of `choices`, or the constraint that they violate.
  package static func program(
    of training: TrainingGraph, choices: PlanChoices
  ) throws(ConstraintViolation) -> Program {
    let lowering = try Lowering(training, choices)
    return lowering.program()
  }

  /// Lowers the chain.
  init(_ training: TrainingGraph, _ choices: PlanChoices) throws(ConstraintViolation) {
    self.training = training
    try BuiltChoices.check(choices)
    try PipelineOrder.check(choices)
    try BuiltChoices.checkRecomputation(choices, training.workload)
    map = try StageMap(choices)
    var context = try LoweringContext(
      sizes: training.sizes, workload: training.workload, choices: choices,
      isTied: training.isTied)
    try context.placeParameters(of: training.blocks)
    self.context = context
    for (index, segment) in training.segments.enumerated() {
      var lowered: [LoweredBlock] = []
      for (place, block) in segment.blocks.enumerated() {
        var made = try LoweredBlock(
          block, segment: index, repetitions: segment.count, context: context,
          unpadded: training.sizes)
        if training.areLayers[index] {
          made.makeLean(map.recomputations, place: place, of: segment.blocks.count)
        }
        lowered.append(made)
      }
      blocks.append(lowered)
    }
    try join()
  }

  private mutating func join() throws(ConstraintViolation) {
    let lowering = JointLowering(context: context)
    let segments = training.segments
    for (index, segment) in segments.enumerated() {
      let graphs = segment.blocks.map(\.graph)
      var between: [BlockBodies?] = []
      for (giver, taker) in zip(graphs, graphs.dropFirst() + graphs.prefix(1)) {
        between.append(try lowering.bodies(from: giver, to: taker))
      }
      joints.append(between)
      let next = index + 1 < segments.count ? segments[index + 1].blocks.first : nil
      guard let giver = graphs.last, let taker = next?.graph else {
        exits.append(nil)
        continue
      }
      exits.append(try lowering.bodies(from: giver, to: taker))
    }
    try cut()
  }

  private mutating func cut() throws(ConstraintViolation) {
    guard let lowering = BoundaryLowering(context: context) else { return }
    let segments = training.segments
    for (index, segment) in segments.enumerated() {
      let next = index + 1 < segments.count ? segments[index + 1].blocks.first : nil
      boundaries.append(
        (
          inside: try lowering.boundary(before: segment.blocks.first?.graph),
          after: try lowering.boundary(before: next?.graph)
        ))
    }
    try Self.checkCut(parts { $0 }, map)
  }

  /// Whether every virtual stage has a block.
  static func checkCut<Item>(
    _ chain: ChainParts<Item>, _ map: StageMap
  ) throws(ConstraintViolation) {
    let isCut = chain.parts(map).allSatisfy { !$0.units.isEmpty }
    guard !isCut else { return }
    throw ConstraintViolation(
      constraint: "blocks on every pipeline stage", found: "a stage without any",
      needed: "a layer, an embedding or a head on each", remedy: "fewer stages")
  }

  var parameters: [StoredParameter] { blocks.flatMap { $0.flatMap(\.parameters) } }

  /// The chain with each block and joint made into an item.
  func parts<Item>(_ item: (BlockBodies) -> Item) -> ChainParts<Item> {
    parts(block: { item($0.bodies) }, joint: item)
  }

  /// The chain with each block, and each joint or boundary, made into an item.
  func parts<Item>(
    block: (LoweredBlock) -> Item, joint item: (BlockBodies) -> Item
  ) -> ChainParts<Item> {
    ChainParts(
      counts: training.segments.map(\.count), blocks: blocks.map { $0.map(block) },
      joints: joints.map { $0.map { $0.map(item) } }, exits: exits.map { $0.map(item) },
      boundaries: boundaries.map { inside, after in
        (inside.map { boundary($0, item) }, after.map { boundary($0, item) })
      }, areLayers: training.areLayers)
  }

  private func boundary<Item>(
    _ boundary: Boundary, _ item: (BlockBodies) -> Item
  ) -> ChainParts<Item>.Boundary {
    .init(departure: item(boundary.departure), arrival: item(boundary.arrival))
  }

  private func program() -> Program {
    var bodies: [Body] = []
    func add(_ body: Body?) -> BodyID? {
      guard let body else { return nil }
      bodies.append(body)
      return bodies.count - 1
    }
    let parts = parts { block in
      CallableBlock(
        forward: add(block.forward), inputGradient: add(block.inputGradient),
        weightGradient: add(block.weightGradient), reduceGradients: add(block.reduceGradients),
        optimize: add(block.optimize), settle: add(block.settle),
        lean: block.lean.sorted { $0.key.rawValue < $1.key.rawValue }.reduce(into: [:]) {
          $0[$1.key] = (add($1.value.forward), add($1.value.recompute))
        })
    }
    let choices = context.choices
    let workload = training.workload
    let chain = Chain(parts, map: map, order: PipelineOrder(choices))
    var program = Program(
      mesh: choices.mesh, precision: workload.precision, optimizer: workload.optimizer,
      dropout: workload.dropout, globalBatch: workload.globalBatch, sequence: workload.sequence,
      microBatch: choices.microBatch, microBatches: choices.microBatches,
      vocabulary: training.sizes[.vocabulary], parameters: parameters, bodies: bodies,
      stages: chain.calls.enumerated().map { stage, calls in
        Stage(
          layers: (0..<map.chunks).map { map.layers[map.virtualStage(stage, chunk: $0)] },
          calls: calls)
      }, chain: chain.positions)
    program.sequenceOrder = context.sequenceOrder
    return program.withCalledBodies
  }
}

extension Program {
  /// Without bodies that no stage calls: of boundaries where the chain is not cut, of forward passes that
  /// keep all where every layer keeps less.
  fileprivate var withCalledBodies: Program {
    let called = Set(stages.flatMap { $0.calls.map(\.body) }).sorted()
    let places = Dictionary(uniqueKeysWithValues: called.enumerated().map { ($1, $0) })
    var program = self
    program.bodies = called.map { bodies[$0] }
    for stage in stages.indices {
      for call in stages[stage].calls.indices {
        let body = stages[stage].calls[call].body
        program.stages[stage].calls[call].body = places[body] ?? body
      }
    }
    return program
  }
}
