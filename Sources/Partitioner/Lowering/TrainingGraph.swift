package import PlanIR

/// A model under a workload, differentiated: what every candidate of a search lowers.
///
/// What is told of the whole chain is found once, for every candidate asks. All share it: there is much of it.
package final class TrainingGraph: Sendable {
  package let model: Model
  package let workload: Workload
  package let segments: [Segment]
  let blocks: [GradientGraph]
  /// Sizes of all named dimensions of the chain.
  let sizes: DimensionSizes
  /// Of each segment, whether its repetitions count as layers: they have attention or mlp blocks.
  let areLayers: [Bool]
  /// How many layers there are: repetitions of segments that have attention or mlp blocks.
  let layers: Int
  /// Whether the head multiplies by the embedding's table.
  let isTied: Bool
  /// Whether the step computes attention without storing its scores.
  let hasFusedAttention: Bool
  /// Whether the model's author wrote shardings on values.
  let isAnnotated: Bool
  /// The chain's blocks in groups: the ends (blocks of class embedding and head, and what borrows or
  /// lends parameters) together, every other block alone.
  let groups: (ends: BlockGroup, layers: [BlockGroup])

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
    blocks = segments.flatMap(\.blocks)
    sizes = blocks.first?.graph.sizes ?? model.sizes
    areLayers = segments.map { segment in
      segment.blocks.contains {
        $0.graph.blockClass == .attention || $0.graph.blockClass == .mlp
      }
    }
    layers = model.layers
    isTied = blocks.contains(where: \.borrowsTable)
    hasFusedAttention = blocks.contains { block in
      block.graph.operations.contains { $0.kind.name == "attention" }
    }
    isAnnotated = blocks.contains { !$0.graph.shardings.isEmpty }
    groups = BlockGroup.groups(of: segments)
  }

  /// The step of `other` with another workload, on which no graph depends.
  private init(_ other: TrainingGraph, _ workload: Workload) {
    self.workload = workload
    (model, segments, blocks) = (other.model, other.segments, other.blocks)
    (sizes, areLayers, layers) = (other.sizes, other.areLayers, other.layers)
    (isTied, hasFusedAttention) = (other.isTied, other.hasFusedAttention)
    (isAnnotated, groups) = (other.isAnnotated, other.groups)
  }

  /// The same step with another global batch: graphs do not depend on it.
  package func withBatch(_ batch: Int) -> TrainingGraph {
    var workload = workload
    workload.globalBatch = batch
    return TrainingGraph(self, workload)
  }
}

extension GradientGraph {
  /// Whether it multiplies the stream by a table that another block owns.
  fileprivate var borrowsTable: Bool {
    graph.operations.contains { operation in
      guard operation.linear == LinearRole(from: .stream, to: .logits),
        case .parameter(let index) = graph.values[operation.inputs[1]].origin
      else { return false }
      return !graph.parameters[index].isOwn
    }
  }
}
