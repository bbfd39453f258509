/// The place of a block in the chain: which repetition of which segment, and which block of it.
package struct BlockPosition: Hashable, Sendable {
  package var segment: Int
  /// The repetition, from 0: the layer.
  package var layer: Int
  package var block: Int

  package init(segment: Int, layer: Int, block: Int) {
    self.segment = segment
    self.layer = layer
    self.block = block
  }
}

/// One execution of a body.
package struct Call: Hashable, Sendable {
  package var body: BodyID
  package var phase: Phase
  package var position: BlockPosition
  package var microBatch: Int
  /// The virtual stage's place on its stage, with interleaving.
  package var chunk: Int

  package init(
    body: BodyID, phase: Phase, position: BlockPosition, microBatch: Int, chunk: Int = 0
  ) {
    self.body = body
    self.phase = phase
    self.position = position
    self.microBatch = microBatch
    self.chunk = chunk
  }
}

/// A pipeline stage: its layers, one range for each of its chunks, and its calls in the order in which
/// they run.
package struct Stage: Hashable, Sendable {
  package var layers: [Range<Int>]
  package var calls: [Call]

  package init(layers: [Range<Int>], calls: [Call]) {
    self.layers = layers
    self.calls = calls
  }
}

/// A parameter that the program stores: one for each repetition of its segment.
package struct StoredParameter: Hashable, Sendable {
  /// `block/parameter`, under which bodies bind it.
  package var name: String
  package var segment: Int
  package var repetitions: Int
  package var parameter: Parameter
  /// The weight's type: whole sizes padded, sharding as stored.
  package var type: TensorType
  /// Whole sizes without padding.
  package var unpaddedSizes: [Int]
  /// Axes over which its main gradient holds partial sums until the step's end.
  package var unreduced: [AxisReference]
  package var parts: [ParameterPart]
  /// Axes over which its main gradient (ZeRO 2), and its master weight and moments (ZeRO 1 and 2),
  /// are cut into chunks while the weight is not.
  package var gradientChunks, stateChunks: [AxisReference]

  package init(
    name: String, segment: Int, repetitions: Int, parameter: Parameter, type: TensorType,
    unpaddedSizes: [Int], unreduced: [AxisReference], parts: [ParameterPart],
    gradientChunks: [AxisReference] = [], stateChunks: [AxisReference] = []
  ) {
    self.name = name
    self.segment = segment
    self.repetitions = repetitions
    self.parameter = parameter
    self.type = type
    self.unpaddedSizes = unpaddedSizes
    self.unreduced = unreduced
    self.parts = parts
    self.gradientChunks = gradientChunks
    self.stateChunks = stateChunks
  }

  /// The type of what is stored of one part.
  package func type(of part: ParameterPart) -> TensorType {
    var type = self.type
    type.width = part.width
    let chunks = type.sharding.chunks
    switch part {
    case .weight: break
    case .mainGradient:
      type.sharding = type.sharding.with(unreduced: unreduced)
        .with(chunks: chunks + gradientChunks)
    case .masterWeight, .moment:
      type.sharding = type.sharding.with(chunks: chunks + stateChunks)
    }
    return type
  }
}

/// A plan as code: what every device of the mesh runs in one optimizer step.
///
/// Cost, memory, execution and export all read this; nothing about a layout is written elsewhere.
package struct Program: Hashable, Sendable {
  package var mesh: Mesh
  package var precision: Precision
  package var optimizer: Optimizer
  package var dropout: Double
  /// Sequences of a step, of which each micro-batch takes `data x microBatch`.
  package var globalBatch: Int
  package var sequence: Int
  /// Which position of the model's sequence each place of the program's is.
  package var sequenceOrder = SequenceOrder.identity
  package var microBatch: Int
  package var microBatches: Int
  /// Columns of the vocabulary that are real; those past it are padding.
  package var vocabulary: Int
  package var parameters: [StoredParameter]
  package var bodies: [Body]
  package var stages: [Stage]
  /// The places of all blocks, joints and boundaries, in the order in which the stream passes them.
  package var chain: [BlockPosition]

  package init(
    mesh: Mesh, precision: Precision, optimizer: Optimizer, dropout: Double, globalBatch: Int,
    sequence: Int, microBatch: Int, microBatches: Int, vocabulary: Int,
    parameters: [StoredParameter], bodies: [Body], stages: [Stage], chain: [BlockPosition]
  ) {
    self.mesh = mesh
    self.precision = precision
    self.optimizer = optimizer
    self.dropout = dropout
    self.globalBatch = globalBatch
    self.sequence = sequence
    self.microBatch = microBatch
    self.microBatches = microBatches
    self.vocabulary = vocabulary
    self.parameters = parameters
    self.bodies = bodies
    self.stages = stages
    self.chain = chain
  }
}

extension Program {
  /// Where each position stands in ``chain``.
  package var chainIndex: [BlockPosition: Int] {
    Dictionary(uniqueKeysWithValues: chain.enumerated().map { ($1, $0) })
  }
}
