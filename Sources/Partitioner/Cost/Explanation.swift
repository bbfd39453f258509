package import PlanIR

/// A plan taken apart: for each block who holds what, what is communicated, what it costs.
package struct Explanation: Sendable {
  package var blocks: [BlockExplanation] = []

  /// One block class.
  package struct BlockExplanation: Sendable {
    package var name: String
    package var blockClass: BlockClass
    package var layout: LayoutName
    /// How often it stands in the chain.
    package var count: Int
    package var operands: [Operand]
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
    /// The network level that it crosses.
    package var level: String
  }
}

extension Partitioner {
  /// Explains the plan of `choices`, or names the constraint that they violate.
  package static func explain(
    _ training: TrainingGraph, choices: PlanChoices, cluster: Cluster,
    timings: TimingTable = TimingTable()
  ) throws(ConstraintViolation) -> Explanation {
    let lowering = try Lowering(training, choices)
    let cost = ClusterCost(
      cluster: cluster, precision: training.workload.precision, mesh: choices.mesh,
      placement: choices.placement, timings: timings)
    let explainer = Explainer(lowering: lowering, cluster: cluster, cost: cost)
    return Explanation(blocks: explainer.blocks())
  }
}

private struct Explainer {
  let lowering: Lowering
  let cluster: Cluster
  let cost: ClusterCost

  private var mesh: Mesh { lowering.context.mesh }
  private var precision: Precision { lowering.training.workload.precision }

  func blocks() -> [Explanation.BlockExplanation] {
    zip(lowering.training.segments, lowering.blocks).flatMap { segment, lowered in
      zip(segment.blocks, lowered).map { block($0, $1.bodies, count: segment.count) }
    }
  }

  private func block(
    _ gradients: GradientGraph, _ bodies: BlockBodies, count: Int
  ) -> Explanation.BlockExplanation {
    Explanation.BlockExplanation(
      name: gradients.graph.name, blockClass: gradients.graph.blockClass,
      layout: lowering.context.layout(of: gradients.graph).layout.name, count: count,
      operands: operands(gradients.graph), phases: bodies.all.map(phase))
  }

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
      phase: body.phase, kernels: summary.kernels,
      collectives: body.instructions.compactMap { collective($0, body) },
      peak: summary.peak.program, kept: summary.change.program)
  }

  private func collective(
    _ instruction: Instruction, _ body: Body
  ) -> Explanation.CollectiveExplanation? {
    guard case .start(_, let collective, let axes, let from, let into) = instruction else {
      return nil
    }
    let use = CollectiveUse(
      collective, over: axes, from: body.buffers[from].type, into: body.buffers[into].type, mesh,
      precision)
    return Explanation.CollectiveExplanation(
      tensor: body.buffers[from].name, collective: collective.name, axis: mesh.name(of: axes),
      total: Bytes(use.total), time: cost.time(of: use), level: cost.level(spanning: axes).name)
  }
}
