package import PlanIR

/// What a framework calls its choices: flags of Megatron-LM, fields of the others' files, tpplan's own
/// flags where those have none.
package struct LaunchWords: Sendable {
  private let framework: LaunchFramework

  package init(_ framework: LaunchFramework) { self.framework = framework }

  private var isMegatron: Bool { framework == .megatron }

  var tensor: String {
    switch framework {
    case .megatron: "--tensor-model-parallel-size"
    case .deepspeed: "tensor_parallel.autotp_size"
    case .fsdp: "tensor parallelism"
    }
  }
  var pipeline: String { isMegatron ? "--pipeline-model-parallel-size" : "pipeline stages" }
  var context: String {
    switch framework {
    case .megatron: "--context-parallel-size"
    case .deepspeed: "sequence_parallel_size"
    case .fsdp: "context parallelism"
    }
  }
  func contextAttention(_ attention: ContextAttention) -> String {
    switch attention {
    case .ring: isMegatron ? "--cp-comm-type p2p" : "ring attention"
    case .allToAll: isMegatron ? "--cp-comm-type a2a" : "all-to-all"
    }
  }
  var gradientOverlap: String {
    switch framework {
    case .megatron: "--overlap-grad-reduce"
    case .deepspeed: "zero_optimization.overlap_comm: true"
    case .fsdp: "overlap of gradients"
    }
  }
  package var microBatch: String {
    switch framework {
    case .megatron: "--micro-batch-size"
    case .deepspeed: "train_micro_batch_size_per_gpu"
    case .fsdp: "--micro-batch"
    }
  }
  package var globalBatch: String {
    switch framework {
    case .megatron: "--global-batch-size"
    case .deepspeed: "train_batch_size"
    case .fsdp: "--global-batch"
    }
  }

  /// What is sharded over data, in `copies`, where `sharder` does so.
  func sharding(_ zero: Int, _ copies: LaunchCopies, by sharder: LaunchSharder) -> String {
    if copies == .perNode { return zero == 3 ? "HYBRID_SHARD" : "HYBRID_SHARD_ZERO2" }
    return switch (framework, sharder) {
    case (.megatron, .megatronFSDP): strategy(zero)
    case (.megatron, _):
      [
        "no --use-distributed-optimizer", "--use-distributed-optimizer",
        "--use-megatron-fsdp \(strategy(zero))", "--use-megatron-fsdp \(strategy(zero))",
      ][zero]
    case (.deepspeed, _): "zero_optimization.stage \(zero)"
    case (.fsdp, .secondFSDP): "fsdp_reshard_after_forward: \(zero == 3)"
    case (.fsdp, _): zero == 3 ? "FULL_SHARD" : zero == 2 ? "SHARD_GRAD_OP" : "NO_SHARD"
    }
  }

  /// Copies of what data ranks shard, as accelerate's mesh has them.
  func copies(_ count: Int, of data: Int) -> String {
    "dp_replicate_size \(count), dp_shard_size \(data / count)"
  }

  private func strategy(_ zero: Int) -> String {
    "--data-parallel-sharding-strategy "
      + ["no_shard", "optim", "optim_grads", "optim_grads_params"][zero]
  }

  func recompute(_ recompute: LaunchRecomputation) -> String {
    switch (recompute, framework) {
    case (.none, .megatron): "no --recompute-granularity"
    case (.selective, .megatron): "--recompute-granularity selective"
    case (.full, .megatron):
      "--recompute-granularity full --recompute-method uniform --recompute-num-layers 1"
    case (.block(let layers), .megatron):
      "--recompute-granularity full --recompute-method block --recompute-num-layers \(layers)"
    case (.none, _): "no activation checkpointing"
    case (.selective, _): "checkpointing of attention's core"
    case (.full, _): "activation checkpointing of every layer"
    case (.block(let layers), _): "activation checkpointing of \(layers) layers of a stage"
    }
  }

  func text(_ chunks: LaunchChunks) -> String {
    switch chunks {
    case .one: isMegatron ? "no virtual stages" : "1f1b"
    case .count(let count):
      isMegatron
        ? "--num-virtual-stages-per-pipeline-rank \(count)" : "interleaved x \(count)"
    case .layers(let layers): "--num-layers-per-virtual-pipeline-stage \(layers)"
    }
  }
}
