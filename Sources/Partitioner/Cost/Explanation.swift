package import PlanIR

/// A plan taken apart: for each block who holds what, what is communicated, what it costs.
package struct Explanation: Sendable {
  package var blocks: [BlockExplanation] = []
  package var joints: [JointExplanation] = []
  package var stages: [StageExplanation] = []
  /// What the layers of all blocks take of a step, by where it comes from.
  package var sources = SourcedTime()
  /// Cores that devices share, which are threads; nil where they are none, or one.
  package var cores: Cores?

  /// Cores that threads share.
  package struct Cores: Sendable {
    package var count: Int
    /// How many times as long as one by itself they take for sharing them; nil where that was not measured.
    package var sharing: Double?
  }

  /// One block class.
  package struct BlockExplanation: Sendable {
    package var name: String
    package var blockClass: BlockClass
    package var layout: LayoutName
    /// Its layout's axes in the plan's mesh: `row 4, col 2`, in a mixture `row 4 (i+j)`.
    package var mesh: String
    /// How often it stands in the chain.
    package var count: Int
    package var operands: [Operand]
    package var phases: [PhaseExplanation]
    /// What all its layers take of a step, and the bytes over all devices that they send.
    package var step: Picoseconds
    package var total: Bytes
    /// Where ``step`` comes from.
    package var sources: SourcedTime
    /// What it would cost under each layout, fastest first, its own among them.
    package var alternatives: [Alternative]
  }

  /// A block under a layout, on as many devices, all else chosen alike.
  package struct Alternative: Sendable {
    package var layout: LayoutName
    /// The cheapest mesh, `4x2`.
    package var mesh: String
    /// What all its layers take of a step; nil where the layout cannot be.
    package var step: Picoseconds?
    /// Where ``step`` comes from.
    package var sources = SourcedTime()
    /// Bytes over all devices, of a step.
    package var total: Bytes
    /// Why the layout cannot be.
    package var refusal: String?
  }

  /// Between two blocks of different layouts: the stream resharded, and its gradient back.
  package struct JointExplanation: Sendable {
    package var name: String
    package var count: Int
    package var phases: [PhaseExplanation]
  }

  /// A stored tensor or value: dimensions, sharding, bytes on one device.
  package struct Operand: Sendable {
    package var name: String
    package var kind: String
    package var dimensions: [Dimension]
    package var sizes: [Int]
    package var sharding: String
    package var deviceBytes: Bytes
  }

  /// One phase of one block: time of its kernels, its collectives, memory.
  package struct PhaseExplanation: Sendable {
    package var phase: Phase
    package var kernels: Picoseconds
    /// Where ``kernels`` comes from.
    package var sources: SourcedTime
    package var collectives: [CollectiveExplanation]
    /// Bytes allocated at the fullest instant, above what was held at its start.
    package var peak: Bytes
    /// Bytes kept past its end, negative where it frees.
    package var kept: Bytes
  }

  /// One collective of a phase.
  package struct CollectiveExplanation: Sendable {
    package var tensor: String
    package var collective: String
    package var axis: String
    /// Bytes over all devices, of one execution.
    package var total: Bytes
    package var time: Picoseconds
    /// Where ``time`` comes from.
    package var basis: FigureBasis
    /// The network level that it crosses.
    package var level: String
  }
}

extension Partitioner {
  /// Explains the plan of `choices`, or names the constraint that they violate; beside each block's layout the
  /// others where it `weighsAlternatives`.
  package static func explain(
    _ training: TrainingGraph, choices: PlanChoices, cluster: Cluster,
    timings: TimingTable = TimingTable(), weighsAlternatives: Bool = true
  ) throws(ConstraintViolation) -> Explanation {
    let lowering = try Lowering(training, choices)
    let cost = ClusterCost(
      cluster: cluster, precision: training.workload.precision, mesh: choices.mesh,
      placement: choices.placement, timings: timings)
    let alternatives = Alternatives(
      training: training, choices: choices, cluster: cluster, timings: timings)
    let explainer = Explainer(
      lowering: lowering, cluster: cluster, cost: cost,
      alternatives: weighsAlternatives ? alternatives.all() : [:])
    let pricing = Pricing(lowering, cluster: cluster, cost: cost)
    var explanation = Explanation(
      blocks: explainer.blocks(), joints: explainer.joints(),
      stages: pricing.stages(of: choices, cost))
    if let cores = cluster.sharedCores, choices.mesh.deviceCount > 1 {
      explanation.cores = Explanation.Cores(count: cores, sharing: timings.sharing)
    }
    for block in explanation.blocks { explanation.sources.add(block.sources, times: 1) }
    return explanation
  }
}

private struct Explainer {
  let lowering: Lowering
  let cluster: Cluster
  let cost: ClusterCost
  let alternatives: [BlockGroup.Place: [Explanation.Alternative]]

  private var mesh: Mesh { lowering.context.mesh }
  private var precision: Precision { lowering.training.workload.precision }

  func blocks() -> [Explanation.BlockExplanation] {
    lowering.training.segments.indices.flatMap { segment in
      lowering.blocks[segment].indices.map { block in
        self.block(BlockGroup.Place(segment: segment, block: block))
      }
    }
  }

  private func block(_ place: BlockGroup.Place) -> Explanation.BlockExplanation {
    let graph = lowering.training.block(place).graph
    let layout = lowering.context.layout(of: graph)
    let layers = lowering.training.segments[place.segment].count
    let bodies = lowering.blocks[place.segment][place.block].bodies
    let priced = PricedBlock(
      bodies, parameters: [], mesh: mesh, precision: precision, cost: cost)
    let microBatches = lowering.context.choices.microBatches
    let runs = lowering.training.runs(of: place.segment, lowering.map)
    let all = priced.all(
      runs, of: bodies, cost, microBatches: microBatches,
      isSplit: lowering.context.choices.schedule == .zeroBubble)
    return Explanation.BlockExplanation(
      name: graph.name, blockClass: graph.blockClass, layout: layout.layout.name,
      mesh: axes(layout), count: layers,
      operands: operands(graph),
      phases: shown(bodies, runs).map(phase),
      step: all.step, total: all.total, sources: all.sources,
      alternatives: alternatives[place, default: []])
  }

  /// The bodies that are called: where all layers keep less, the forward pass that does.
  private func shown(
    _ bodies: BlockBodies, _ runs: [(layers: Range<Int>, recompute: Recomputation)]
  ) -> [Body] {
    var shown = bodies
    let kinds = Set(runs.map(\.recompute))
    if kinds.count == 1, let kind = kinds.first, let lean = bodies.lean[kind] {
      shown.forward = lean.forward
    }
    return shown.all
  }

  private func axes(_ layout: PlacedLayout) -> String {
    let parts = layout.layout.axisNames.compactMap { name -> String? in
      let axes = layout.context[name]
      guard !axes.isEmpty else { return nil }
      let own = mesh.name(of: axes)
      return "\(name) \(axes.groupSize)" + (own == name ? "" : " (\(own))")
    }
    return parts.isEmpty ? "one device" : parts.joined(separator: ", ")
  }

  /// The joints of the chain, first to last.
  func joints() -> [Explanation.JointExplanation] {
    lowering.parts { $0 }.units.flatMap { unit in
      let blocks = lowering.blocks[unit.segment].count
      return unit.items.filter { $0.block >= blocks && !unit.layers.isEmpty }.map { _, bodies in
        let name = bodies.forward.map { String($0.name.dropLast(Self.suffix.count)) } ?? ""
        return Explanation.JointExplanation(
          name: name, count: unit.layers.count, phases: bodies.all.map(phase))
      }
    }
  }

  private static let suffix = "." + Phase.forward.rawValue

  private func operands(_ graph: BlockGraph) -> [Explanation.Operand] {
    graph.values.indices.compactMap { value in
      let description = graph.values[value]
      if case .gradient = description.origin { return nil }
      let sharding = lowering.context.storage(of: value, in: graph)
      guard let type = try? lowering.context.type(description, sharding) else { return nil }
      let isParameter = description.width == .weight
      return Explanation.Operand(
        name: description.name, kind: isParameter ? "parameter" : "value",
        dimensions: type.dimensions, sizes: type.sizes, sharding: sharding.text(in: mesh),
        deviceBytes: Bytes(type.localCount * precision.bytes(of: type.width)))
    }
  }

  private func phase(_ body: Body) -> Explanation.PhaseExplanation {
    let summary = BodySummary(body, mesh: mesh, precision: precision, cost: cost)
    return Explanation.PhaseExplanation(
      phase: body.phase, kernels: summary.kernels, sources: cost.kernelSources(of: body),
      collectives: collectives(body),
      peak: summary.peak.program, kept: summary.change.program)
  }

  /// Those of `body`; of a layer that frameworks compute again whole those of its forward pass, which send nothing where
  /// the program leaves them out.
  private func collectives(_ body: Body) -> [Explanation.CollectiveExplanation] {
    let own = body.instructions.compactMap { collective($0, body) }
    guard cost.recomputesWhole, !body.repeated.isEmpty else { return own }
    var left = own.map { ($0.tensor, $0.axis) }
    return body.repeated.compactMap { instruction in
      guard var shown = collective(instruction, body) else { return nil }
      if let place = left.firstIndex(where: { $0 == (shown.tensor, shown.axis) }) {
        left.remove(at: place)
      } else {
        shown.total = .zero
      }
      return shown
    }
  }

  private func collective(
    _ instruction: Instruction, _ body: Body
  ) -> Explanation.CollectiveExplanation? {
    guard case .start(_, let collective, let axes, let from, let into) = instruction else {
      return nil
    }
    let use = CollectiveUse(
      collective, in: body.phase, over: axes, from: body.buffers[from].type,
      into: body.buffers[into].type, mesh,
      precision)
    return Explanation.CollectiveExplanation(
      tensor: body.buffers[from].name, collective: collective.name, axis: mesh.name(of: axes),
      total: Bytes(use.total), time: cost.time(of: use), basis: cost.basis(of: use),
      level: cost.level(spanning: axes).name)
  }
}
