import Testing

@Suite struct AuditCommandTests {
  private static let good = "--micro-batch-size 1 --global-batch-size 8 --bf16"

  private func audit(
    _ flags: String, devices: Int = 4, _ more: [String] = ["--json"]
  ) throws -> CommandLine.Outcome {
    try CommandLine().run(
      words: ["audit", "tiny-gpt2", "--devices", "\(devices)", "--megatron", flags] + more)
  }

  @Test func `an audit answers in one document`() throws {
    let outcome = try audit(Self.good + " --lr 1 --odd 2 --num-experts 2")
    #expect(outcome.code == 0, "\(outcome.error)")
    let document = try outcome.json()
    #expect(document["schema"] as? String == "tpplan.audit/1")
    #expect(document["fits"] as? Bool == true)
    let ratio = try #require(document["ratio"] as? Double)
    #expect(ratio >= 1)
    let present = try #require(document["present"] as? [String: Any])
    let optimum = try #require(document["optimum"] as? [String: Any])
    let (now, best) = (present["step_seconds"] as? Double, optimum["step_seconds"] as? Double)
    let isConsistent = try abs(#require(now) / #require(best) - ratio) < 1e-9
    #expect(isConsistent)
    let launch = try #require(document["launch"] as? [String: Any])
    #expect(launch["unknown"] as? [String] == ["--odd"])
    #expect(launch["unpriced"] as? [String] == ["--num-experts"])
    #expect(launch["ignored"] as? [String] == ["--lr"])
  }

  /// Launches whose changes say more than one flag, each with knobs that must be among them.
  private static let launches: [Offer] = [
    Offer(
      "--micro-batch-size 4 --global-batch-size 64 --overlap-grad-reduce --tensor-model-parallel-size 4",
      "3GiB", ["context", "micro_batch"]
    ),
    // The global batch follows from the micro-batch.
    Offer(
      "--micro-batch-size 8 --tensor-model-parallel-size 4", "4GiB",
      ["pipeline", "micro_batch", "context", "tensor"]
    ),
    Offer(
      "--micro-batch-size 1 --global-batch-size 32 --pipeline-model-parallel-size 4 "
        + "--decoder-first-pipeline-num-layers 10 --decoder-last-pipeline-num-layers 2",
      "unlimited", ["pipeline", "stages"]
    ),
    Offer(
      "--tensor-model-parallel-size 8 --pipeline-model-parallel-size 4 --micro-batch-size 1 "
        + "--global-batch-size 64 --seq-length 8192 --sequence-parallel "
        + "--use-distributed-optimizer --overlap-grad-reduce --overlap-param-gather "
        + "--recompute-granularity full --recompute-method uniform --recompute-num-layers 1",
      "80GB", ["zero"], model: "llama-3-70b", devices: 64
    ),
    Offer(
      "--micro-batch-size 2 --global-batch-size 32 --recompute-granularity full "
        + "--recompute-method uniform --recompute-num-layers 4",
      "unlimited", ["recompute"]
    ),
  ]

  @Test(arguments: launches.indices)
  func `a change that is made as it is written takes what it is said to`(_ index: Int) throws {
    let launch = Self.launches[index]
    func audited(_ flags: String) throws -> [String: Any] {
      let own = flags + " --bf16 --attention-dropout 0 --hidden-dropout 0"
      let outcome = try CommandLine().run(
        words: [
          "audit", launch.model, "--devices", "\(launch.devices)", "--memory", launch.memory,
          "--json", "--layout",
          "megatron", "--megatron", own,
        ])
      return try outcome.json()
    }
    let changes = try #require(try audited(launch.flags)["changes"] as? [[String: Any]])
    let knobs = changes.compactMap { $0["knob"] as? String }
    for knob in launch.knobs { #expect(knobs.contains(knob), "\(knobs)") }
    for change in changes where launch.knobs.contains(change["knob"] as? String ?? "") {
      let (from, to) = (change["from"] as? String ?? "", change["to"] as? String ?? "")
      let flags = LaunchEdit(launch.flags).replacing(from, with: to)
      let plan = try #require(change["plan"] as? [String: Any])
      let again = try #require(try audited(flags)["present"] as? [String: Any], "\(flags)")
      #expect(plan["step_seconds"] as? Double == again["step_seconds"] as? Double, "\(flags)")
    }
  }

  /// Launches whose other words ask something of the rest.
  private static let demanding: [Offer] = [
    Offer(
      "--tensor-model-parallel-size 4 --micro-batch-size 4 --global-batch-size 128 "
        + "--seq-length 512 --use-torch-fsdp2 --untie-embeddings-and-output-weights "
        + "--no-gradient-accumulation-fusion --overlap-grad-reduce",
      "80GB", ["tensor", "zero"], model: "llama-2-7b", devices: 16
    ),
    Offer(
      "--micro-batch-size 1 --global-batch-size 4 --seq-length 32772 --use-distributed-optimizer",
      "200GiB", ["tensor"], model: "qwen2.5-7b", devices: 4
    ),
    Offer(
      "--tensor-model-parallel-size 8 --pipeline-model-parallel-size 2 --micro-batch-size 4 "
        + "--global-batch-size 8 --seq-length 512 --sequence-parallel --tp-comm-overlap "
        + "--attention-backend local",
      "80GB", ["tensor"], model: "mistral-7b", devices: 16
    ),
    Offer(
      "--tensor-model-parallel-size 4 --pipeline-model-parallel-size 2 --micro-batch-size 2 "
        + "--global-batch-size 12 --seq-length 1024 --no-overlap-p2p-communication",
      "80GB", ["pipeline"], model: "mistral-7b", devices: 8
    ),
    Offer(
      "--tensor-model-parallel-size 2 --micro-batch-size 1 --global-batch-size 16 "
        + "--seq-length 512 --use-megatron-fsdp --data-parallel-sharding-strategy no_shard",
      "80GB", ["zero"], model: "llama-2-7b", devices: 8
    ),
  ]

  @Test(arguments: demanding.indices)
  func `no change is offered that the launch's other words refuse`(_ index: Int) throws {
    let launch = Self.demanding[index]
    func audited(_ flags: String) throws -> CommandLine.Outcome {
      let own = flags + " --bf16 --attention-dropout 0 --hidden-dropout 0"
      return try CommandLine().run(
        words: [
          "audit", launch.model, "--devices", "\(launch.devices)", "--memory", launch.memory,
          "--json", "--layout", "megatron", "--megatron", own,
        ])
    }
    let document = try audited(launch.flags).json()
    let changes = try #require(document["changes"] as? [[String: Any]])
    let knobs = changes.compactMap { $0["knob"] as? String }
    for knob in launch.knobs { #expect(knobs.contains(knob), "\(knobs)") }
    for change in changes {
      let (from, to) = (change["from"] as? String ?? "", change["to"] as? String ?? "")
      func isFlag(_ text: String) -> Bool { text.hasPrefix("--") || text.hasPrefix("no --") }
      guard isFlag(from), isFlag(to) else { continue }
      let flags = LaunchEdit(launch.flags).replacing(from, with: to)
      let again = try audited(flags)
      #expect(again.code != 64, "\(from) -> \(to): \(again.error)")
      let plan = try #require(change["plan"] as? [String: Any])
      let present = try again.json()["present"] as? [String: Any]
      #expect(
        plan["step_seconds"] as? Double == present?["step_seconds"] as? Double, "\(from) -> \(to)")
    }
  }

  @Test(arguments: [
    ("", ["fsdp_reshard_after_forward: false"]),
    (#","parallelism_config":{"parallelism_config_dp_replicate_size":4}"#, []),
  ])
  func `FSDP 2 is told in its own words, and what it shards nothing of keeps other changes`(
    _ mesh: String, _ sharding: [String]
  ) throws {
    let line = try CommandLine()
    let config = #"{"fsdp_version":2,"fsdp_reshard_after_forward":true}"#
    try line.write(
      #"{"num_processes":4,"mixed_precision":"bf16","fsdp_config":\#(config)\#(mesh)}"#, "f.json")
    let outcome = try line.run(
      "audit tiny-gpt2 --devices 4 --fsdp @/f.json --micro-batch 1 --global-batch 32 --layout data "
        + "--cluster a100-sxm-80gb --json")
    #expect(outcome.code == 0, "\(outcome)")
    let changes = try #require(try outcome.json()["changes"] as? [[String: Any]])
    let zero = changes.filter { $0["knob"] as? String == "zero" }
    #expect(zero.compactMap { $0["to"] as? String } == sharding)
    #expect(changes.contains { $0["knob"] as? String == "micro_batch" }, "\(outcome.output)")
  }

  @Test
  func
    `FSDP is offered no sharding that it has no word for, and what it exchanges is beside kernels`()
    throws
  {
    let line = try CommandLine()
    func audit(_ strategy: String, memory: String) throws -> [String: Any] {
      try line.write(
        "mixed_precision: bf16\nnum_processes: 4\nfsdp_config:\n  fsdp_sharding_strategy: \(strategy)\n",
        "f.yaml")
      return try line.run(
        "audit tiny-gpt2 --devices 4 --fsdp @/f.yaml --micro-batch 1 --layout data --memory \(memory) --json"
      ).json()
    }
    let whole = try audit("NO_SHARD", memory: "34MiB")
    #expect(whole["fits"] as? Bool == false)
    let changes = try #require(whole["changes"] as? [[String: Any]])
    let zero = changes.filter { $0["knob"] as? String == "zero" }
    let offered = zero.compactMap { $0["to"] as? String }
    #expect(!offered.isEmpty && Set(offered).isSubset(of: ["FULL_SHARD", "SHARD_GRAD_OP"]))
    #expect(zero.first?["fits"] as? Bool == true)
    for strategy in ["SHARD_GRAD_OP", "FULL_SHARD"] {
      let present = try audit(strategy, memory: "unlimited")["present"] as? [String: Any]
      let all = try #require(present?["communication"] as? [[String: Any]])
      let scatter = all.first { $0["collective"] as? String == "reduce-scatter" }
      let (time, exposed) = (scatter?["seconds"], scatter?["exposed_seconds"])
      #expect(exposed as? Double ?? 1 < time as? Double ?? 0, "\(strategy)")
    }
  }

  @Test func `equal audits give equal bytes`() throws {
    let (first, second) = (try audit(Self.good), try audit(Self.good))
    #expect(first.output == second.output)
  }

  @Test func `people are told what they run, whether it fits, and what to change`() throws {
    let outcome = try audit(Self.good, [])
    #expect(outcome.code == 0)
    for words in ["you run ", "fits ", "optimum ", "change ", "note "] {
      let tells = outcome.output.contains("\n\(words)")
      #expect(tells, "\(words): \(outcome.output)")
    }
  }

  @Test func `running out of memory is an answer of no, with the document`() throws {
    let outcome = try audit(Self.good, ["--json", "--memory", "1MiB"])
    #expect(outcome.code == 1)
    let document = try outcome.json()
    #expect(document["fits"] as? Bool == false)
    #expect(document["present"] is [String: Any])
    #expect(document["ratio"] as? Double == nil)
    let text = try audit(Self.good, ["--memory", "1MiB"])
    let tells = text.output.contains("out of memory, ") && text.output.contains("of 1.00 MiB")
    #expect(text.code == 1 && tells)
  }

  @Test func `a launch that cannot be is an answer of no, with reasons`() throws {
    let outcome = try audit("--tensor-model-parallel-size 3 --micro-batch-size 1")
    #expect(outcome.code == 1)
    let reasons = try #require(try outcome.json()["reasons"] as? [[String: String]])
    let tells = reasons.first?["constraint"]?.contains("devices divisible") == true
    #expect(tells)
  }

  private static let wrong: [(flags: [String], code: Int32, names: String)] = [
    ([], 64, "exactly one"),
    (["--megatron", "--micro-batch-size 1", "--deepspeed", "x"], 64, "found 2"),
    (["--megatron", "--bf16"], 64, "--micro-batch-size"),
    (["--megatron", "--num-layers 77 --micro-batch-size 1"], 64, "--num-layers"),
    (["--megatron", "--nproc_per_node 8 --micro-batch-size 1"], 64, "--devices"),
    (["--megatron", "--seq-length 16 --micro-batch-size 1", "--sequence", "8"], 64, "--sequence"),
    (["--megatron", "--micro-batch-size 1", "--micro-batch", "2"], 64, "--micro-batch"),
    (["--megatron", "--micro-batch-size 1", "--recompute", "full"], 64, "--recompute"),
    (["--megatron", "'"], 64, "closing"),
    (["--deepspeed", "@/none.json"], 66, "none.json"),
    (["--deepspeed", "@/both.json"], 65, "$.fp16.enabled: expected false"),
    (["--fsdp", "@/none.yaml"], 66, "none.yaml"),
    (["--deepspeed", "@/bad.json"], 65, "bad.json"), (["--fsdp", "@/bad.json"], 65, "bad.json"),
    (["--deepspeed", "@/mismatch.json"], 65, "mismatch.json: expected a global batch"),
    (
      ["--deepspeed", "@/indivisible.json"], 65,
      "indivisible.json: train_batch_size: expected a multiple of 16 x 1 (data, accumulation), found 30; try 16 or 32"
    ),
    (
      ["--fsdp", "@/steps.yaml", "--global-batch", "8"], 64,
      "--global-batch: expected a multiple of 16 x 3 (data, accumulation), found 8; try 48"
    ),
    (["--fsdp", "@"], 74, "directory"),
    (
      ["--megatron", "--micro-batch-size 1", "--cluster", "local", "--timings", "@/bad.json"], 65,
      "bad.json: expected a database of timings"
    ),
    (
      ["--megatron", "--micro-batch-size 1", "--cluster", "local", "--timings", ""], 64,
      "--timings: expected a file"
    ),
  ]

  @Test(arguments: wrong.indices)
  func `a wrong audit ends with the documented code`(_ index: Int) throws {
    let wrong = Self.wrong[index]
    let line = try CommandLine()
    try line.write("{\"bf16\": 1}", "bad.json")
    try line.write("{\"train_batch_size\": 30}", "indivisible.json")
    try line.write("gradient_accumulation_steps: 3\nfsdp_config: {}\n", "steps.yaml")
    try line.write(
      """
      {"train_batch_size": 8, "train_micro_batch_size_per_gpu": 1, "gradient_accumulation_steps": 3}
      """, "mismatch.json")
    try line.write(
      #"{"train_micro_batch_size_per_gpu": 1, "bf16": {"enabled": true}, "fp16": {"enabled": true}}"#,
      "both.json")
    let words = ["audit", "tiny-gpt2", "--devices", "16"]
    let outcome = try line.run(words: words + wrong.flags)
    #expect(outcome.code == wrong.code, "\(outcome.error)")
    let names = outcome.error.contains(wrong.names)
    #expect(wrong.names.isEmpty || names, "\(outcome.error)")
  }

  @Test func `files of DeepSpeed and accelerate are audited`() throws {
    let line = try CommandLine()
    try line.write(
      """
      {"train_batch_size": 8, "train_micro_batch_size_per_gpu": "auto", "bf16": {"enabled": true},
       "gradient_accumulation_steps": 2, "zero_optimization": {"stage": 2}}
      """, "ds.json")
    try line.write(
      "mixed_precision: bf16\nnum_processes: 4\nfsdp_config:\n  fsdp_sharding_strategy: FULL_SHARD\n",
      "fsdp.yaml")
    let deepSpeed = try line.run("audit tiny-gpt2 --devices 4 --deepspeed @/ds.json --json")
    #expect(deepSpeed.code == 0, "\(deepSpeed.error)")
    let first = try #require(try deepSpeed.json()["present"] as? [String: Any])
    let batches = [first["micro_batch"] as? Int, first["micro_batches"] as? Int]
    #expect(batches == [1, 2] && first["zero"] as? Int == 2)
    let fsdp = try line.run(
      "audit tiny-gpt2 --devices 4 --fsdp @/fsdp.yaml --micro-batch 2 --json")
    #expect(fsdp.code == 0, "\(fsdp.error)")
    let document = try fsdp.json()
    let second = try #require(document["present"] as? [String: Any])
    let gathers = try #require(second["gathers"] as? [String: String])
    #expect(second["zero"] as? Int == 3 && gathers["weights"] == "again")
    let workload = try #require(document["workload"] as? [String: Any])
    #expect(workload["global_batch"] as? Int == 8)
  }
}

/// A launch, and what of it an audit must offer to change.
private struct Offer {
  let flags, memory: String
  let knobs: [String]
  let model: String
  let devices: Int

  init(
    _ flags: String, _ memory: String, _ knobs: [String], model: String = "gpt2-medium",
    devices: Int = 8
  ) {
    (self.flags, self.memory, self.knobs) = (flags, memory, knobs)
    (self.model, self.devices) = (model, devices)
  }
}

/// Edits the flags of a launch as advice says.
private struct LaunchEdit {
  private var flags: [[String]]

  init(_ line: String) { flags = Self.flags(line).map(\.words) }

  /// The flags of a text, each with its values, and whether "no" stands before it.
  private static func flags(_ text: String) -> [(words: [String], isNone: Bool)] {
    var found: [(words: [String], isNone: Bool)] = []
    var isNone = false
    for word in text.split(separator: " ").map(String.init) {
      if word.hasPrefix("--") {
        found.append(([word], isNone))
      } else if word != "no" && word != "and" && !found.isEmpty {
        found[found.count - 1].words.append(word)
      }
      isNone = word == "no"
    }
    return found
  }

  func replacing(_ old: String, with new: String) -> String {
    let (old, new) = (Self.flags(old), Self.flags(new))
    let gone = Set((old + new).compactMap(\.words.first))
    let kept = flags.filter { flag in flag.first.map { !gone.contains($0) } ?? false }
    return (kept + new.filter { !$0.isNone }.map(\.words)).joined().joined(separator: " ")
  }
}
