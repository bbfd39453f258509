/// How a training framework is told to split a step: its degrees and choices, with its own defaults
/// where the launch is silent.
package struct LaunchConfiguration: Hashable, Sendable {
  package var framework: LaunchFramework
  package var tensor = 1
  package var pipeline = 1
  package var context = 1
  /// How attention works over a sequence that is split over context.
  package var contextAttention = ContextAttention.allToAll
  /// Sequences of one data rank at a time; nil where the launch does not say.
  package var microBatch: Int?
  /// Micro-batches of a step; nil where the global batch decides.
  package var microBatches: Int?
  package var sequenceParallel = false
  /// What is sharded over data: 1 optimizer state, 2 gradients too, 3 weights too.
  package var zero = 0
  /// How many copies there are of what is sharded.
  package var copies = LaunchCopies.one
  /// Whether gradients are to be reduced while the last backward pass goes on; nil where the launch leaves that to
  /// its framework.
  package var gradientOverlap: Bool?
  package var recompute = LaunchRecomputation.none
  package var chunks = LaunchChunks.one
  /// The schedule, where it is not the framework's usual one.
  package var schedule: PipelineSchedule?
  /// Layers of the first and of the last stage, where not as many as of the others.
  package var firstStageLayers: Int?
  package var lastStageLayers: Int?
  /// Whether the embedding, and the head, count as a layer when layers are spread.
  package var countsEmbedding = false
  package var countsHead = false
  /// Whether stages are neighbours before data ranks are.
  package var stagesBeforeData = false
  /// What the launch itself wrote for some of this.
  package var written = LaunchWritten()
  /// What its other words ask of this.
  package var demands = LaunchDemands()
  /// What the launch says of the step itself.
  package var workload = WorkloadOverrides()

  /// One device, nothing sharded.
  package init(_ framework: LaunchFramework) { self.framework = framework }
}

extension LaunchConfiguration {
  /// Whether gradients are reduced while the last backward pass goes on. DeepSpeed does so where it shards gradients
  /// alone, and in no pipeline (`deepspeed/runtime/engine.py`); FSDP always, that of Megatron-LM and PyTorch's in it too
  /// (`megatron/training/arguments.py` sets `overlap_grad_reduce` where gradients are sharded).
  package var overlapsGradients: Bool {
    switch framework {
    case .megatron: zero >= 2 || gradientOverlap ?? false
    case .deepspeed: zero >= 2 && pipeline == 1 && (gradientOverlap ?? (zero == 3))
    case .fsdp: gradientOverlap ?? true
    }
  }
}

/// The words of a launch for what frameworks can say in several; nil where the usual ones do.
package struct LaunchWritten: Hashable, Sendable {
  package var sharding: String?
  package var recompute: String?
  package var contextAttention: String?
  /// By what gradients, optimizer state and weights are sharded over data, of what the framework has for that.
  package var sharder = LaunchSharder.usual

  package init() {}
}

/// What shards over data, where a framework has several ways to say how far.
package enum LaunchSharder: Hashable, Sendable {
  case usual
  /// Megatron's own FSDP, told by a strategy.
  case megatronFSDP
  /// PyTorch's FSDP 2, told by whether weights are sharded again after the forward pass.
  case secondFSDP
}

/// What words of a launch that change nothing of its plan ask of the rest: the framework refuses it otherwise.
package struct LaunchDemands: Hashable, Sendable {
  /// Megatron's `--tp-comm-overlap`: sequence parallelism over several tensor ranks.
  package var sequenceParallelism = false
  /// Megatron's `--no-overlap-p2p-communication`: three stages at least, where they are virtual.
  package var threeVirtualStages = false

  package init() {}
}

extension LaunchConfiguration {
  /// Whether the framework takes it, a step being of `sequence` tokens. FSDP has no stages, and shards optimizer state
  /// with gradients alone; DeepSpeed's stages take no ZeRO 2 or 3, and its tensor parallelism no ZeRO 3; of Megatron
  /// what its `validate_args` asserts.
  package func isTaken(sequence: Int) -> Bool {
    switch framework {
    case .megatron:
      (pipeline == 1 || written.sharder != .secondFSDP)
        && (!demands.sequenceParallelism || (sequenceParallel && tensor > 1))
        && (!demands.threeVirtualStages || chunks == .one || pipeline > 2)
        && (context == 1 || sequence % (2 * context) == 0)
    case .deepspeed: (pipeline == 1 || zero < 2) && (tensor == 1 || zero < 3)
    case .fsdp: pipeline == 1 && zero != 1
    }
  }
}

/// Whose launch it is.
package enum LaunchFramework: String, Hashable, Sendable, CaseIterable {
  case megatron, deepspeed, fsdp
}

/// What a launch has computed again.
package enum LaunchRecomputation: Hashable, Sendable {
  case none, selective, full
  /// The first layers of each chunk of a stage.
  case block(Int)
}

/// Copies of what a launch shards over data: hybrid sharding, where there are several.
package enum LaunchCopies: Hashable, Sendable {
  case one
  /// One on each node.
  case perNode
  case count(Int)
}

/// How a launch cuts stages into chunks.
package enum LaunchChunks: Hashable, Sendable {
  case one
  /// So many chunks on each stage.
  case count(Int)
  /// So many layers in each chunk.
  case layers(Int)
}

/// What was read of a launch: the configuration, and all that it says beside.
package struct LaunchReading: Hashable, Sendable {
  package var configuration: LaunchConfiguration
  /// Devices that the launch itself counts; nil where it does not.
  package var devices: Int?
  /// Devices of a node, of a launch on several; nil where it does not say.
  package var devicesPerNode: Int?
  /// Sequences of a step; nil where the launch leaves it to the micro-batch.
  package var globalBatch: Int? { configuration.workload.globalBatch }
  /// Defaults taken, and what is priced otherwise than the framework does it, in words.
  package var notes: [String] = []
  /// Flags or fields that change no plan.
  package var ignored: [String] = []
  /// Those that change time or memory in a way that is not priced.
  package var unpriced: [String] = []
  /// Those that are not known.
  package var unknown: [String] = []

  package init(_ configuration: LaunchConfiguration) { self.configuration = configuration }
}

/// A launch that contradicts itself, the model or the command.
package struct LaunchError: Error, Hashable, Sendable, CustomStringConvertible {
  package var place: String
  package var expected: String
  package var found: String
  package var remedy: String

  package init(_ place: String, expected: String, found: String, remedy: String) {
    self.place = place
    self.expected = expected
    self.found = found
    self.remedy = remedy
  }

  package var description: String {
    "\(place): expected \(expected), found \(found); \(remedy)"
  }
}
