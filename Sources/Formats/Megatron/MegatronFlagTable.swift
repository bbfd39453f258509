/// Megatron-LM's flags that are not read, by what they do to a plan.
///
/// Names are those of `megatron/training/arguments.py` of Megatron-LM (2025, core 0.15) and a few
/// older ones.
enum MegatronFlagTable {
  /// Whether `flag` changes neither time nor memory of a step: paths, logs, saving, seeds, schedules
  /// of the learning rate, checks.
  static func isIrrelevant(_ flag: String) -> Bool {
    irrelevant.contains(flag) || irrelevantPrefixes.contains { flag.hasPrefix($0) }
  }

  /// Whether `flag` changes time or memory of a step in a way that is not priced.
  static func isUnpriced(_ flag: String) -> Bool {
    unpriced.contains(flag) || unpricedPrefixes.contains { flag.hasPrefix($0) }
  }

  private static let irrelevantPrefixes = [
    "--log-", "--wandb-", "--tensorboard-", "--timing-log-", "--lr-", "--save", "--load",
    "--no-load-", "--no-save-", "--ckpt-", "--no-ckpt-", "--dist-ckpt-", "--non-persistent-",
    "--use-checkpoint-", "--eval-", "--exit-", "--profile", "--tokenizer-", "--adam-",
    "--one-logger-", "--no-one-logger", "--inference-", "--rerun-", "--error-injection-",
    "--inprocess-", "--muon-", "--dataset", "--data-cache", "--train-", "--valid-", "--test-",
    "--rdzv", "--distrib-optim-", "--nccl-communicator-config", "--logging-", "--no-log-",
  ]

  private static let irrelevant: Set<String> = [
    "--seed", "--init-method-std", "--embedding-init-method-std", "--init-method-xavier-uniform",
    "--data-parallel-random-init", "--use-cpu-initialization", "--no-initialization", "--lr",
    "--min-lr", "--decoupled-lr", "--decoupled-min-lr", "--override-opt_param-scheduler",
    "--override-opt-param-scheduler", "--weight-decay", "--start-weight-decay",
    "--end-weight-decay", "--weight-decay-incr-style", "--clip-grad", "--finetune",
    "--pretrained-checkpoint", "--async-save", "--auto-detect-ckpt-format", "--use-dist-ckpt",
    "--use-persistent-ckpt-worker", "--use-mp-args-from-checkpoint-args", "--data-path",
    "--data-args-path", "--per-split-data-args-path", "--split", "--mock-data", "--vocab-file",
    "--merge-file", "--num-workers", "--num-dataset-builder-threads", "--dataloader-type",
    "--no-create-attention-mask-in-dataloader", "--no-mmap-bin-files", "--reset-position-ids",
    "--reset-attention-mask", "--eod-mask-loss", "--loss-scale", "--initial-loss-scale",
    "--min-loss-scale", "--loss-scale-window", "--hysteresis", "--norm-epsilon",
    "--layernorm-epsilon", "--rotary-base", "--rotary-seq-len-interpolation-factor",
    "--rotary-interleaved", "--use-rope-scaling", "--rope-scaling-factor", "--openai-gelu",
    "--apply-layernorm-1p", "--distributed-backend", "--distributed-timeout-minutes",
    "--distributed-timeout-seconds-after-init", "--local-rank", "--local_rank",
    "--use-mcore-models", "--disable-gloo-process-groups", "--use-pytorch-profiler",
    "--record-memory-history", "--memory-snapshot-path", "--check-for-nan-in-loss-and-grad",
    "--no-check-for-nan-in-loss-and-grad", "--check-for-spiky-loss", "--check-for-large-grads",
    "--check-weight-hash-across-dp-replicas-interval", "--calculate-per-token-loss", "--manual-gc",
    "--manual-gc-interval", "--no-manual-gc-eval", "--result-rejected-tracker-filename",
    "--iterations-to-skip", "--config-logger-dir", "--enable-ft-package", "--calc-ft-timeouts",
    "--app-tag-run-name", "--app-tag-run-version", "--run-workload-inspector-server",
    "--te-rng-tracker", "--no-barrier-with-level-1-timing", "--empty-unused-memory-level",
    "--no-async-tensor-model-parallel-allreduce", "--tiktoken-pattern", "--null-tokenizer-eod-id",
    "--attention-softmax-in-fp32", "--apply-query-key-layer-scaling",
    "--disable-straggler-on-startup",
    "--straggler-ctrlr-port", "--straggler-minmax-count", "--fp8-margin", "--fp8-interval",
    "--accumulate-allreduce-grads-in-fp32", "--no-rope-fusion", "--rotary-percent", "--hf-model",
    "--full-validation", "--multiple-validation-sets", "--legacy-tokenizer", "--trust-remote-code",
    "--vocab-extra-ids", "--replication", "--replication-jump",
    "--replication-factor", "--object-storage-cache-path", "--mid-level-dataset-surplus",
    "--tiktoken-num-special-tokens", "--tiktoken-special-tokens",
  ]

  private static let unpricedPrefixes = [
    "--fp8-", "--fp4-", "--moe-", "--tp-comm-", "--disable-tp-comm-", "--overlap-", "--no-overlap-",
    "--cuda-graph-", "--optimizer-", "--cpu-offload", "--ddp-", "--rl-", "--grpo-", "--retro-",
    "--mtp-", "--expert-", "--no-align-", "--delay-wgrad", "--defer-embedding-", "--mla-",
    "--q-lora", "--kv-lora", "--heterogeneous-", "--hybrid-",
  ]

  private static let unpriced: Set<String> = [
    "--num-experts", "--multi-latent-attention", "--enable-cuda-graph", "--external-cuda-graph",
    "--distribute-saved-activations", "--grad-reduce-in-bf16", "--use-precision-aware-optimizer",
    "--main-grads-dtype", "--main-params-dtype", "--exp-avg-dtype", "--exp-avg-sq-dtype",
    "--fp32-residual-connection", "--fp16-lm-cross-entropy", "--cross-entropy-loss-fusion",
    "--cross-entropy-fusion-impl", "--no-masked-softmax-fusion", "--no-bias-gelu-fusion",
    "--no-bias-swiglu-fusion", "--no-bias-dropout-fusion", "--no-persist-layer-norm",
    "--no-gradient-accumulation-fusion", "--no-scatter-gather-tensors-in-pipeline",
    "--use-nccl-ub", "--use-sharp", "--deterministic-mode", "--rampup-batch-size",
    "--decrease-batch-size-if-needed", "--recompute-modules", "--window-size", "--softmax-type",
    "--hierarchical-context-parallel-sizes", "--use-torch-optimizer-for-cpu-offload",
    "--microbatch-group-size-per-virtual-pipeline-stage", "--wgrad-deferral-limit",
    "--perform-rl-step", "--use-ring-exchange-p2p", "--high-priority-stream-groups",
    "--pipeline-model-parallel-comm-backend", "--use-legacy-models", "--sgd-momentum",
    "--first-last-layers-bf16", "--squared-relu", "--quick-geglu", "--qk-layernorm",
    "--apply-residual-connection-post-layernorm", "--num-distributed-optimizer-instances",
    "--pipeline-model-parallel-layout", "--mrope-section", "--no-rope-freq", "--spec",
    "--no-gradient-reduce-div-fusion", "--fsdp-double-buffer", "--keep-fp8-transpose-cache",
    "--suggested-communication-unit-size", "--enable-full-sharding-in-hsdp",
  ]
}
