/// The layouts of the field, in the order in which coinciding points are named.
package enum LayoutName: String, Hashable, Sendable, Codable, CaseIterable, Comparable {
  case data, megatron, summa, tesseract
  case threeDimensional = "3d"
  case stationary, sequence, mixed

  package static func < (left: LayoutName, right: LayoutName) -> Bool {
    allCases.firstIndex(of: left) ?? 0 < allCases.firstIndex(of: right) ?? 0
  }
}

/// Whether what was gathered for the forward pass is kept for the backward or gathered again.
package enum GatherChoice: String, Hashable, Sendable, Codable, CaseIterable {
  case saved, again
}

/// Whether a product gathers its operands whole or loops over panels.
package enum MatmulSchedule: String, Hashable, Sendable, Codable, CaseIterable {
  case gathered, stepped
}

/// How a token table is stored: rows for the embedding, scattered, or as the head's weight.
package enum TableForm: String, Hashable, Sendable, Codable, CaseIterable {
  case gathered, scattered, head
}

/// Whether the two gradients of a tied table are added before they are scattered.
package enum TableGradients: String, Hashable, Sendable, Codable, CaseIterable {
  case added, apart
}

/// What devices do that share a key/value head: compute it each, or a part each and gather.
package enum KeyValueForm: String, Hashable, Sendable, Codable, CaseIterable {
  case copied, gathered
}

/// How attention meets a sequence that the context axis splits.
package enum ContextAttention: String, Hashable, Sendable, Codable, CaseIterable {
  /// Devices exchange the sequence for heads.
  case allToAll = "all-to-all"
  /// Keys and values go round the devices, each of which keeps its queries.
  case ring
}

/// The order of micro-batches through pipeline stages.
package enum PipelineSchedule: String, Hashable, Sendable, Codable, CaseIterable {
  case none, gpipe
  case oneForwardOneBackward = "1f1b"
  case interleaved
  case zeroBubble = "zb-h1"
}

/// What the backward pass computes again.
package enum Recomputation: String, Hashable, Sendable, Codable, CaseIterable {
  case none, selective, full, mixed
}

/// How much of an axis lies inside a node.
package struct AxisPlacement: Hashable, Sendable {
  package var axis: String
  package var insideNode: Int
  package var acrossNodes: Int

  package init(axis: String, insideNode: Int, acrossNodes: Int) {
    self.axis = axis
    self.insideNode = insideNode
    self.acrossNodes = acrossNodes
  }
}

/// A stage's layers and what of them is computed again.
package struct StageChoice: Hashable, Sendable {
  package var layers: Int
  /// Layers that recompute nothing, the attention core, everything.
  package var recomputeNone, recomputeSelective, recomputeFull: Int

  package init(
    layers: Int, recomputeNone: Int, recomputeSelective: Int = 0, recomputeFull: Int = 0
  ) {
    self.layers = layers
    self.recomputeNone = recomputeNone
    self.recomputeSelective = recomputeSelective
    self.recomputeFull = recomputeFull
  }
}

extension StageChoice {
  /// A stage of `layers` that are all recomputed alike; of `mixed` not at all.
  package init(layers: Int, _ recompute: Recomputation) {
    self.init(
      layers: layers, recomputeNone: recompute == .none || recompute == .mixed ? layers : 0,
      recomputeSelective: recompute == .selective ? layers : 0,
      recomputeFull: recompute == .full ? layers : 0)
  }
}

/// Everything a plan decides; with model, cluster and workload it determines the program.
package struct PlanChoices: Hashable, Sendable {
  package var layout: LayoutName
  package var blocks: [BlockClass: LayoutName]
  /// In a mixture the degrees of each block's tensor mesh, in the order of its layout's axes.
  package var blockMeshes: [BlockClass: [Int]] = [:]
  /// `data`, `pipeline`, `context`, then the layout's axes; size 1 left out.
  package var mesh: Mesh
  package var placement: [AxisPlacement]
  package var sequenceParallel: Bool
  /// All-to-all where there is no context axis.
  package var contextAttention = ContextAttention.allToAll
  package var gathersInputs: GatherChoice
  package var gathersWeights: GatherChoice
  package var matmul: MatmulSchedule
  package var tableForm: TableForm
  package var tableGradients: TableGradients
  package var keyValue: KeyValueForm
  package var weightsOver: [String]
  package var microBatch: Int
  package var microBatches: Int
  package var schedule: PipelineSchedule
  package var interleave: Int
  package var zero: Int
  package var recompute: Recomputation
  package var stages: [StageChoice]

  package init(
    layout: LayoutName, blocks: [BlockClass: LayoutName], mesh: Mesh,
    placement: [AxisPlacement], sequenceParallel: Bool, gathersInputs: GatherChoice,
    keyValue: KeyValueForm, microBatch: Int, microBatches: Int, layers: Int
  ) {
    self.layout = layout
    self.blocks = blocks
    self.mesh = mesh
    self.placement = placement
    self.sequenceParallel = sequenceParallel
    self.gathersInputs = gathersInputs
    gathersWeights = .saved
    matmul = .gathered
    tableForm = .gathered
    tableGradients = .added
    self.keyValue = keyValue
    weightsOver = []
    self.microBatch = microBatch
    self.microBatches = microBatches
    schedule = .none
    interleave = 1
    zero = 0
    recompute = .none
    stages = [StageChoice(layers: layers, recomputeNone: layers)]
  }

  /// Devices along axis `name`; 1 where the mesh has none.
  package func degree(_ name: String) -> Int {
    mesh.axes.first { $0.name == name }?.size ?? 1
  }

  /// Devices of one tensor mesh: all axes but data, pipeline and context.
  package var tensorDegree: Int {
    mesh.deviceCount / degree("data") / degree("pipeline") / degree("context")
  }
}
