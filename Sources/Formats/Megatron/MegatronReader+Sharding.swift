import PlanIR

extension MegatronReader {
  /// What is sharded over data, and what goes on beside compute.
  mutating func readSharding() throws(LaunchError) {
    reading.configuration.gradientOverlap = flags.flag("--overlap-grad-reduce")
    let isDistributed = flags.flag("--use-distributed-optimizer")
    let usesFSDP = flags.flag("--use-megatron-fsdp") || flags.flag("--use-custom-fsdp")
    try checkGathers(isDistributed, usesFSDP)
    let strategies = ["no_shard", "optim", "optim_grads", "optim_grads_params"]
    let strategy = try flags.choice("--data-parallel-sharding-strategy", of: strategies)
    if usesFSDP {
      reading.configuration.zero = strategies.firstIndex(of: strategy ?? "no_shard") ?? 0
      reading.configuration.written.sharder = .megatronFSDP
    } else if flags.flag("--use-torch-fsdp2") {
      let isKept = flags.flag("--torch-fsdp2-no-reshard-after-forward")
      reading.configuration.zero = isKept ? 2 : 3
      reading.configuration.written.sharder = .secondFSDP
      reading.configuration.written.sharding =
        "--use-torch-fsdp2" + (isKept ? " --torch-fsdp2-no-reshard-after-forward" : "")
      try checkTorchFSDP(isDistributed)
    } else {
      reading.configuration.zero = isDistributed ? 1 : 0
      if strategy != nil {
        note("--data-parallel-sharding-strategy changes nothing without --use-megatron-fsdp")
      }
    }
  }

  /// Weights are gathered beside the forward pass by the distributed optimizer, or by Megatron's FSDP, alone.
  private mutating func checkGathers(
    _ isDistributed: Bool, _ usesFSDP: Bool
  ) throws(LaunchError) {
    guard flags.flag("--overlap-param-gather") else { return }
    reading.unpriced.append("--overlap-param-gather")
    if isDistributed && !usesFSDP {
      reading.configuration.written.sharding = "--use-distributed-optimizer --overlap-param-gather"
    }
    let missing = [
      ("--use-distributed-optimizer", isDistributed),
      ("--overlap-grad-reduce", reading.configuration.overlapsGradients),
    ].filter { !$0.1 }.map(\.0)
    guard !missing.isEmpty, !usesFSDP else { return }
    throw LaunchError(
      "--overlap-param-gather", expected: "\(missing.joined(separator: " and ")) beside it",
      found: "none", remedy: "add it, or drop --overlap-param-gather")
  }

  /// What Megatron asks of a launch with PyTorch's FSDP 2.
  private mutating func checkTorchFSDP(_ isDistributed: Bool) throws(LaunchError) {
    let pipeline = reading.configuration.pipeline
    let broken: [(Bool, expected: String, found: String)] = [
      (pipeline > 1, "--pipeline-model-parallel-size 1, as Megatron asks", "\(pipeline)"),
      (isDistributed, "no --use-distributed-optimizer beside it", "both"),
      (flags.names.contains("--fp16"), "no --fp16 beside it", "both"),
      (
        !flags.names.contains("--untie-embeddings-and-output-weights"),
        "--untie-embeddings-and-output-weights beside it", "none"
      ),
      (
        !flags.names.contains("--no-gradient-accumulation-fusion"),
        "--no-gradient-accumulation-fusion beside it", "none"
      ),
    ]
    guard let first = broken.first(where: \.0) else { return }
    throw LaunchError(
      "--use-torch-fsdp2", expected: first.expected, found: first.found,
      remedy: first.found == "none" ? "add it, or drop --use-torch-fsdp2" : "drop one of them")
  }

  /// What Megatron asserts of communication beside compute.
  mutating func checkOverlap() throws(LaunchError) {
    reading.configuration.demands.sequenceParallelism = flags.names.contains("--tp-comm-overlap")
    let configuration = reading.configuration
    if configuration.demands.sequenceParallelism && !configuration.sequenceParallel {
      throw LaunchError(
        "--tp-comm-overlap", expected: "--sequence-parallel beside it", found: "none",
        remedy: "add it, or drop --tp-comm-overlap")
    }
    if configuration.demands.sequenceParallelism && configuration.tensor == 1 {
      throw LaunchError(
        "--tp-comm-overlap",
        expected: "--tensor-model-parallel-size 2 or more beside it: of 1 Megatron drops "
          + "--sequence-parallel, which it asks for", found: "1",
        remedy: "drop --tp-comm-overlap")
    }
    let waits = ["--no-overlap-p2p-communication", "--no-overlap-p2p-comm"]
    let waiting = waits.first(where: flags.names.contains)
    reading.configuration.demands.threeVirtualStages = waiting != nil
    if let flag = waiting, configuration.chunks != .one, configuration.pipeline == 2 {
      throw LaunchError(
        flag, expected: "--pipeline-model-parallel-size 3 or more beside virtual stages",
        found: "2", remedy: "drop \(flag), or the virtual stages")
    }
    guard configuration.context > 1 else { return }
    let chunks = 2 * configuration.context
    if let sequence = configuration.workload.sequence, sequence % chunks != 0 {
      throw LaunchError(
        "--seq-length", expected: "a multiple of 2 x --context-parallel-size, \(chunks)",
        found: "\(sequence)", remedy: "correct one of them")
    }
  }

  /// What is sharded over data is so over context too in Megatron; here over data alone.
  mutating func noteContext() {
    guard reading.configuration.zero > 0, reading.configuration.context > 1 else { return }
    note(
      "Megatron shards over data x context what is sharded over data alone here: a device holds less than "
        + "is told")
  }
}
