import Formats
import PlanIR
import Testing

@Suite struct MegatronLaunchTests {
  private func read(_ line: String, _ model: String = "gpt3-175b") throws -> LaunchReading {
    try MegatronLaunch.read(line, model: try ShippedData.models.model(model))
  }

  @Test func `a whole command is read with Megatron's meaning`() throws {
    let reading = try read(
      """
      CUDA_DEVICE_MAX_CONNECTIONS=1 torchrun --nproc_per_node 8 --nnodes=192 pretrain_gpt.py \\
        --tensor-model-parallel-size 8 --pipeline-model-parallel-size=16 \\
        --num-layers-per-virtual-pipeline-stage 3 --sequence-parallel \\
        --micro-batch-size 1 --global-batch-size 1536 --seq-length 2048 \\
        --num-layers 96 --hidden-size 12288 --num-attention-heads 96 --ffn-hidden-size 49152 \\
        --max-position-embeddings 2048 --vocab-size 50257 --use-distributed-optimizer \\
        --recompute-granularity full --recompute-method block --recompute-num-layers 2 \\
        --attention-dropout 0.1 --hidden-dropout 0.1 --use-flash-attn --bf16 --lr 6.0e-5 \\
        --lr-decay-style cosine --data-path 'my data' --save /ckpt --overlap-grad-reduce \\
        --overlap-param-gather --frobnicate
      """)
    let configuration = reading.configuration
    #expect(reading.devices == 1536)
    let degrees = [configuration.tensor, configuration.pipeline, configuration.context]
    #expect(degrees == [8, 16, 1])
    #expect(configuration.chunks == .layers(3) && configuration.sequenceParallel)
    #expect(configuration.microBatch == 1 && configuration.zero == 1)
    #expect(configuration.recompute == .block(2))
    let workload = configuration.workload
    #expect(workload.globalBatch == 1536 && workload.sequence == 2048)
    #expect(workload.precision == .mixed && workload.optimizer == .adamw)
    #expect(workload.attention == .fused && workload.dropout == 0.1)
    #expect(workload.padVocabulary == 128)
    #expect(reading.unknown == ["--frobnicate"])
    #expect(configuration.overlapsGradients && reading.unpriced == ["--overlap-param-gather"])
    #expect(reading.ignored == ["--lr", "--lr-decay-style", "--data-path", "--save"])
  }

  @Test func `what is left out is Megatron's default, and told`() throws {
    let reading = try read("--micro-batch-size 2")
    let configuration = reading.configuration
    let degrees = [configuration.tensor, configuration.pipeline, configuration.context]
    #expect(degrees == [1, 1, 1])
    #expect(configuration.workload.dropout == 0.1 && configuration.workload.precision == .fp32)
    #expect(configuration.workload.globalBatch == nil && configuration.zero == 0)
    let notes = reading.notes.joined(separator: "; ")
    for words in ["0.1, Megatron's default", "fp32, as in Megatron", "fused attention"] {
      let tells = notes.contains(words)
      #expect(tells, "\(words): \(notes)")
    }
  }

  private static let fsdp2 =
    "--use-torch-fsdp2 --untie-embeddings-and-output-weights --no-gradient-accumulation-fusion"

  private static let meanings: [(String, @Sendable (LaunchConfiguration) -> Bool)] = [
    ("--recompute-activations", { $0.recompute == .selective }),
    ("--recompute-granularity selective", { $0.recompute == .selective }),
    (
      "--recompute-granularity full --recompute-method uniform --recompute-num-layers 1",
      { $0.recompute == .full }
    ),
    ("--attention-backend unfused", { $0.workload.attention == .unfused }),
    ("--transformer-impl local", { $0.workload.attention == .unfused }),
    ("--transformer-impl local --use-flash-attn", { $0.workload.attention == .fused }),
    ("--fp16", { $0.workload.precision == .mixed }),
    ("--optimizer sgd", { $0.workload.optimizer == .sgd }),
    ("--make-vocab-size-divisible-by 1024", { $0.workload.padVocabulary == 1024 }),
    // It acts once there is a tensor degree.
    ("--sequence-parallel", { $0.sequenceParallel && $0.tensor == 1 }),
    ("--sequence-parallel --tensor-model-parallel-size 2", { $0.sequenceParallel }),
    (
      "pretrain_gpt.py --micro-batch-size 4 --hook a.py ; python --micro-batch-size 8",
      { $0.microBatch == 4 }
    ),
    (
      "--use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params",
      { $0.zero == 3 }
    ),
    (fsdp2, { $0.zero == 3 && $0.written.sharding == "--use-torch-fsdp2" }),
    // It overlaps what it exchanges, asked for or not; the distributed optimizer where it is asked to.
    (fsdp2, { $0.overlapsGradients && $0.gradientOverlap != true }),
    ("--use-distributed-optimizer", { $0.zero == 1 && !$0.overlapsGradients }),
    (fsdp2 + " --torch-fsdp2-no-reshard-after-forward", { $0.zero == 2 }),
    ("--num-layers-per-virtual-pipeline-stage 96", { $0.chunks == .one }),
    (
      "--recompute-granularity selective --recompute-modules mlp layernorm",
      { $0.recompute == .none && $0.written.recompute?.hasSuffix("modules mlp layernorm") == true }
    ),
    (
      "--recompute-granularity selective --recompute-modules core_attn mlp --attention-backend unfused",
      { $0.recompute == .selective }
    ),
    ("--recompute-activations --recompute-modules core_attn", { $0.recompute == .selective }),
    ("--optimizer fusedadamw", { $0.workload.optimizer == .adamw }),
    ("--use-tp-pp-dp-mapping", { $0.stagesBeforeData }),
    (
      "--pipeline-model-parallel-size 4 --num-virtual-stages-per-pipeline-rank 2",
      { $0.chunks == .count(2) }
    ),
    ("--decoder-last-pipeline-num-layers 3", { $0.lastStageLayers == 3 }),
    ("--tensor-model-parallel-size 2 --tensor-model-parallel-size 4", { $0.tensor == 4 }),
    ("--context-parallel-size 2", { $0.context == 2 && $0.contextAttention == .ring }),
    ("--context-parallel-size 2 --cp-comm-type a2a", { $0.contextAttention == .allToAll }),
    ("--context-parallel-size 2 --cp-comm-type allgather", { $0.contextAttention == .ring }),
    ("--transformer-impl inference_optimized", { $0.workload.attention == .fused }),
    ("--attention-dropout 0 --hidden-dropout 0", { $0.workload.dropout == 0 }),
  ]

  @Test(arguments: meanings.indices)
  func `a flag means what Megatron makes of it`(_ index: Int) throws {
    let (line, isRight) = Self.meanings[index]
    let configuration = try read(line).configuration
    let holds = isRight(configuration)
    #expect(holds, "\(line): \(configuration)")
  }

  private static let wrong: [(String, String)] = [
    ("--context-parallel-size 2 --cp-comm-type star", "--cp-comm-type"),
    ("--num-layers 95", "expected 96"), ("--hidden-size 1", "--hidden-size"),
    ("--num-attention-heads 95", "expected 96"), ("--vocab-size 1", "50257"),
    ("--max-position-embeddings 4096", "expected 2048"), ("--swiglu", "no gate"),
    ("--normalization RMSNorm", "LayerNorm"),
    ("--position-embedding-type rope", "learned_absolute"),
    ("--group-query-attention --num-query-groups 8", "expected 96"),
    ("--tensor-model-parallel-size 0", "from 1"), ("--tensor-model-parallel-size $TP", "variable"),
    ("--micro-batch-size", "a value"), ("--micro-batch-size 99999999999999999999", "from 1"),
    ("--fp16 --bf16", "both"), ("--hidden-dropout 1", "0.99"),
    ("--recompute-granularity full", "uniform or block"),
    ("--recompute-granularity full --recompute-method block", "--recompute-num-layers"),
    ("--recompute-activations --recompute-method uniform", "selective with uniform"),
    ("--recompute-granularity some", "full, selective"), ("--model-parallel-size 8", "tensor"),
    ("--num-virtual-stages-per-pipeline-rank 2", "2 or more"),
    (
      "--num-layers-per-virtual-pipeline-stage 2 --num-virtual-stages-per-pipeline-rank 2", "both"
    ), ("'", "closing"), ("--overlap-param-gather", "--use-distributed-optimizer and"),
    ("--overlap-param-gather --use-distributed-optimizer", "--overlap-grad-reduce beside"),
    ("--use-torch-fsdp2 --pipeline-model-parallel-size 2", "size 1, as Megatron"),
    ("--use-torch-fsdp2", "--untie-embeddings-and-output-weights beside"),
    (fsdp2 + " --fp16", "no --fp16"), (fsdp2 + " --use-distributed-optimizer", "no --use-dist"),
    (
      "--use-torch-fsdp2 --untie-embeddings-and-output-weights",
      "--no-gradient-accumulation-fusion beside"
    ),
    (
      "--pipeline-model-parallel-size 4 --account-for-loss-in-pipeline-split "
        + "--decoder-last-pipeline-num-layers 3", "no layers of the first or the last stage"
    ),
    ("--tp-comm-overlap --tensor-model-parallel-size 2", "--sequence-parallel beside"),
    ("--tp-comm-overlap --sequence-parallel", "--tensor-model-parallel-size 2 or more beside"),
    ("--context-parallel-size 2 --seq-length 2046", "a multiple of 2 x"),
    ("--context-parallel-size 2 --cp-comm-type a2a+p2p", "--hierarchical-context"),
    (
      "--pipeline-model-parallel-size 2 --num-virtual-stages-per-pipeline-rank 2 "
        + "--no-overlap-p2p-communication", "3 or more"
    ),
    ("--max-position-embeddings 2048 --seq-length 4096", "at most"),
    ("--group-query-attention", "one group"),
  ]

  @Test(arguments: wrong.indices)
  func `what cannot be is an error that says what was expected`(_ index: Int) throws {
    let (line, words) = Self.wrong[index]
    let error = #expect(throws: LaunchError.self) { try read(line) }
    let message = error.map { "\($0)" } ?? ""
    let tells = message.contains(words) && message.contains("expected")
    #expect(tells, "\(line): \(message)")
  }

  @Test(arguments: [
    ("--nproc_per_node 8", 8), ("--nproc_per_node 8 --nnodes 3", 24),
    ("--nproc_per_node 8 --nnodes $NODES", nil), ("--nproc-per-node 8 --nnodes 1:2", nil),
    ("--nproc_per_node gpu --nnodes 2", nil), ("--nnodes 2", nil),
  ])
  func `devices are those that the launcher counts, where it does`(words: String, devices: Int?)
    throws
  {
    let reading = try read("torchrun \(words) pretrain_gpt.py --micro-batch-size 1")
    #expect(reading.devices == devices)
    #expect(reading.configuration.microBatch == 1)
  }

  /// A gated model with rotary positions and groups of key/value heads, whose launch says nothing of it.
  @Test func `what a launch leaves to Megatron's defaults is told where the model is otherwise`()
    throws
  {
    let flags = [
      "--swiglu", "--normalization", "--position-embedding-type", "--group-query-attention",
    ]
    let told = try read("--hidden-size 4096", "llama-3-8b").notes.joined()
    #expect(flags.allSatisfy { told.contains("no \($0)") }, "\(told)")
    let silent = try read("--micro-batch-size 1", "llama-3-8b").notes.joined()
    #expect(!flags.contains { silent.contains($0) }, "\(silent)")
  }

  @Test func `what is sharded over context, too, is told, and what follows a command`() throws {
    let reading = try read("--use-distributed-optimizer --context-parallel-size 2 && true $MORE")
    #expect(reading.notes.contains { $0.contains("data x context") })
    #expect(reading.notes.contains { $0.contains("\"&&\"") } && reading.unknown.isEmpty)
    #expect(try read("torchrun $DISTRIBUTED pretrain_gpt.py").unknown == ["\"$DISTRIBUTED\""])
  }

  @Test func `a vocabulary may be the model's or become it by padding`() throws {
    _ = try read("--vocab-size 50257")
    _ = try read("--vocab-size 50257 --tensor-model-parallel-size 8", "megatron-22b")
    #expect(throws: LaunchError.self) { try read("--vocab-size 50257", "megatron-22b") }
    let padded = ["50304": false, "50432": true]
    for (size, isTold) in padded {
      let reading = try read("--padded-vocab-size \(size)")
      #expect(reading.notes.contains { $0.contains("--padded-vocab-size") } == isTold)
    }
    #expect(throws: LaunchError.self) { try read("--padded-vocab-size 50256") }
  }

  @Test(arguments: ["rope", "yarn", "mrope"])
  func `rotary positions cost the same by any angles`(_ type: String) throws {
    _ = try read("--position-embedding-type \(type)", "llama-3-8b")
    #expect(throws: LaunchError.self) { try read("--position-embedding-type \(type)") }
  }

  @Test func `widths that a launch leaves to Megatron are told where the model has others`() throws
  {
    let shape = "--num-layers 32 --hidden-size 4096 --swiglu"
    let notes = try read(shape, "llama-3-8b").notes
    #expect(notes.contains { $0.contains("would train 10880") && $0.contains("14336") }, "\(notes)")
    #expect(!notes.contains { $0.contains("--kv-channels") })
    let given = try read(shape + " --ffn-hidden-size 14336", "llama-3-8b").notes
    #expect(!given.contains { $0.contains("would train") })
    #expect(!(try read("--num-layers 96").notes.contains { $0.contains("would train") }))
  }

  @Test func `nodes of another size than the cluster's are counted`() throws {
    let line = "torchrun --nproc_per_node 4 --nnodes 4 pretrain_gpt.py --bf16"
    let reading = try read(line)
    #expect(reading.devicesPerNode == 4 && reading.devices == 16)
    #expect(try read("torchrun --nproc_per_node 4 pretrain_gpt.py --bf16").devicesPerNode == nil)
  }

  @Test func `no flag is dropped in silence`() throws {
    let reading = try read("--bf16 7 --new-flag 1 2 --lr 3 --num-experts 8 --fp8-format hybrid")
    #expect(reading.unknown == ["--new-flag", "\"7\""])
    #expect(reading.ignored == ["--lr"])
    #expect(reading.unpriced == ["--num-experts", "--fp8-format"])
    let selective = try read(
      "--recompute-activations --recompute-modules mlp --optimizer fusedadamw")
    #expect(
      selective.unpriced == [
        "--optimizer fusedadamw (priced as adam)", "--recompute-modules mlp (priced as kept)",
      ])
    let ended = try read("--bf16; echo done > log 2>&1")
    #expect(ended.unknown.isEmpty && ended.configuration.workload.precision == .mixed)
  }

  @Test func `hostile flags are read or refused`() {
    let generator = CounterGenerator(seed: 3, name: "hostile flags")
    let parts = [
      "--tensor-model-parallel-size", "--pipeline-model-parallel-size", "--bf16", "=", "'", "\"",
      "-1", "9223372036854775807", "--", "---", "--=", "x.py", " ", "\\", "--micro-batch-size",
      "--num-layers", "--vocab-size", "\u{0}", "--recompute-granularity", "full", "--nnodes", "1:4",
    ]
    for number in 0..<400 {
      let words = (0..<8).map {
        parts[generator.integer(below: parts.count, at: UInt64(number * 8 + $0))]
      }
      _ = try? read(words.joined(separator: number % 2 == 0 ? " " : ""))
    }
  }
}
