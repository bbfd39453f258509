package import PlanIR

/// Reads a DeepSpeed configuration.
package enum DeepSpeedLaunch {
  /// What the file at `path` says of a run on `devices` devices.
  ///
  /// - Throws: ``FormatError`` at what cannot be read.
  package static func read(
    contentsOf path: String, devices: Int
  ) throws(FormatError) -> LaunchReading {
    var reader = DeepSpeedReader(devices: devices)
    return try reader.read(try JSONDocument(contentsOf: path).root)
  }

  /// What `text` says; `file` is the name that errors give.
  package static func read(
    text: String, file: String, devices: Int
  ) throws(FormatError) -> LaunchReading {
    var reader = DeepSpeedReader(devices: devices)
    return try reader.read(try JSONDocument(text: text, file: file).root)
  }
}

/// One configuration being read.
private struct DeepSpeedReader {
  let devices: Int
  private var reading = LaunchReading(LaunchConfiguration(.deepspeed))

  init(devices: Int) { self.devices = devices }

  private static let read: Set<String> = [
    "train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "bf16",
    "bfloat16", "fp16", "zero_optimization", "optimizer", "activation_checkpointing",
    "tensor_parallel", "sequence_parallel_size", "pipeline",
  ]
  private static let ignored: Set<String> = [
    "steps_per_print", "wall_clock_breakdown", "scheduler", "tensorboard", "wandb", "csv_monitor",
    "comet", "flops_profiler", "comms_logger", "gradient_clipping", "prescale_gradients",
    "gradient_predivide_factor", "dump_state", "memory_breakdown", "checkpoint", "data_efficiency",
    "zero_allow_untested_optimizer", "zero_force_ds_cpu_optimizer", "seed", "$schema", "timers",
    "aio", "dataloader_drop_last", "eigenvalue", "nebula",
  ]
  /// What changes time or memory in a way that is not priced.
  private static let unpriced: Set<String> = [
    "communication_data_type", "data_types", "seq_parallel_communication_data_type",
    "sparse_gradients", "fp32_allreduce", "disable_allgather", "amp", "torch_autocast", "compile",
    "compression_training", "progressive_layer_drop", "sparse_attention", "hybrid_engine",
  ]
  private static let ignoredOfZero: Set<String> = [
    "stage", "allgather_partitions", "allgather_bucket_size", "reduce_scatter",
    "reduce_bucket_size", "contiguous_gradients", "sub_group_size", "round_robin_gradients",
    "stage3_gather_16bit_weights_on_model_save", "stage3_gather_fp16_weights_on_model_save",
    "elastic_checkpoint", "load_from_fp32_weights", "ignore_unused_parameters", "legacy_stage1",
    "gather_16bit_weights_on_model_save", "memory_efficient_linear",
  ]
  /// Names without a prefix that says so.
  private static let unpricedOfZero: Set<String> = [
    "max_live_parameters", "max_reuse_distance", "prefetch_bucket_size", "cpu_offload",
    "cpu_offload_params", "cpu_offload_use_pin_memory", "param_persistence_threshold",
    "module_granularity_threshold", "use_all_reduce_for_fetch_params",
  ]

  mutating func read(_ root: JSONNode) throws(FormatError) -> LaunchReading {
    try readBatches(root)
    try readPrecision(root)
    try readSharding(root)
    try readOptimizer(root)
    try readParallelism(root)
    if let node = try root.optional("activation_checkpointing") {
      _ = try node.members()
      reading.configuration.recompute = .full
      reading.notes.append(
        "activation_checkpointing is priced as every layer recomputed; --recompute says otherwise")
    }
    for (key, _) in try root.members() where !Self.read.contains(key) {
      if Self.ignored.contains(key) {
        reading.ignored.append(key)
      } else if Self.unpriced.contains(key) {
        reading.unpriced.append(key)
      } else {
        reading.unknown.append(key.quoted())
      }
    }
    return reading
  }

  /// A number, or nil where it is missing or "auto", which is told.
  private mutating func number(_ name: String, _ root: JSONNode) throws(FormatError) -> Int? {
    guard let node = try root.optional(name) else { return nil }
    if node.value == .string("auto") {
      reading.notes.append("\(name) is \"auto\": taken from --micro-batch and --global-batch")
      return nil
    }
    return try node.positiveInteger(upTo: ModelLimits.globalBatch)
  }

  private mutating func readBatches(_ root: JSONNode) throws(FormatError) {
    let global = try number("train_batch_size", root)
    let micro = try number("train_micro_batch_size_per_gpu", root)
    let steps = try number("gradient_accumulation_steps", root)
    reading.configuration.workload.globalBatch = global
    reading.configuration.microBatch = micro
    reading.configuration.microBatches = steps
  }

  private mutating func readPrecision(_ root: JSONNode) throws(FormatError) {
    var isOpen = false
    var enabled: String?
    for name in ["bf16", "bfloat16", "fp16"] {
      guard let section = try root.optional(name), let node = try section.optional("enabled") else {
        continue
      }
      if node.value == .string("auto") {
        isOpen = true
      } else if try node.bool() {
        if let enabled, enabled.hasPrefix("bf") != name.hasPrefix("bf") {
          throw node.malformed(
            expected: "false, as \(enabled) is enabled", found: "true",
            remedy: "enable one of them, as DeepSpeed asks")
        }
        enabled = name
        reading.configuration.workload.precision = .mixed
      }
    }
    var automatic: String?
    for name in ["amp", "torch_autocast"] {
      if try root.optional(name)?.optional("enabled")?.bool() == true { automatic = name }
    }
    if reading.configuration.workload.precision == nil, let automatic {
      reading.configuration.workload.precision = .mixed
      reading.notes.append("\(automatic) is priced as mixed precision")
    } else if reading.configuration.workload.precision == nil {
      if isOpen {
        reading.notes.append("bf16 or fp16 is \"auto\": precision mixed, unless --precision")
      } else {
        reading.configuration.workload.precision = .fp32
        reading.notes.append("neither bf16 nor fp16 enabled: fp32, as in DeepSpeed")
      }
    } else {
      reading.notes.append(
        "gradients are priced as 4 bytes, as bf16 accumulates without ZeRO; ZeRO keeps 2 unless "
          + "data_types.grad_accum_dtype is fp32")
    }
  }

  private mutating func readSharding(_ root: JSONNode) throws(FormatError) {
    guard let section = try root.optional("zero_optimization") else { return }
    reading.configuration.zero = try section.optional("stage")?.integer(in: 0...3) ?? 0
    reading.configuration.gradientOverlap = try section.optional("overlap_comm")?.bool()
    if reading.configuration.gradientOverlap == true, reading.configuration.zero < 2 {
      reading.notes.append("overlap_comm changes nothing below stage 2, as in DeepSpeed")
    }
    for (key, node) in try section.members() {
      let name = "zero_optimization.\(key)"
      if key.hasPrefix("offload_") {
        let device = try? node.optional("device")?.value
        let isNone = node.value == .null || device == .string("none")
        if isNone { reading.ignored.append(name) } else { reading.unpriced.append(name) }
      } else if Self.ignoredOfZero.contains(key) {
        if key != "stage" { reading.ignored.append(name) }
      } else if key == "overlap_comm" {
        continue
      } else if key.hasPrefix("stage3_") || key.hasPrefix("zero_") || key.hasPrefix("mics_")
        || Self.unpricedOfZero.contains(key)
      {
        reading.unpriced.append(name)
      } else {
        reading.unknown.append(name.quoted())
      }
    }
  }

  private mutating func readOptimizer(_ root: JSONNode) throws(FormatError) {
    guard let section = try root.optional("optimizer") else {
      reading.notes.append("no optimizer: adamw, unless --optimizer")
      return
    }
    let type = try section.field("type").string()
    switch type.lowercased() {
    case "adam", "adamw", "fusedadam", "cpuadam", "deepspeedcpuadam":
      reading.configuration.workload.optimizer = .adamw
    case "sgd":
      reading.configuration.workload.optimizer = .sgd
      reading.notes.append("SGD is priced without momentum")
    default:
      reading.unpriced.append("optimizer.type \(type.quoted()) (priced as adamw)")
      reading.configuration.workload.optimizer = .adamw
    }
  }

  private mutating func readParallelism(_ root: JSONNode) throws(FormatError) {
    if let section = try root.optional("tensor_parallel") {
      reading.configuration.tensor =
        try section.optional("autotp_size")?.integer(in: 0...PlanLimits.devices) ?? 1
      reading.configuration.tensor = max(reading.configuration.tensor, 1)
      if reading.configuration.tensor > 1 && reading.configuration.zero == 3 {
        throw section.malformed(
          expected: "autotp_size 1, as zero_optimization.stage is 3",
          found: "autotp_size \(reading.configuration.tensor)",
          remedy: "stage 2 or less: DeepSpeed's tensor parallelism takes no more")
      }
    }
    if let node = try root.optional("sequence_parallel_size") {
      reading.configuration.context = try node.positiveInteger(upTo: PlanLimits.devices)
      if reading.configuration.context > 1 && reading.configuration.zero > 0 {
        reading.notes.append(
          "DeepSpeed shards over data x sequence what is sharded over data alone here: a device holds less "
            + "than is told")
      }
    }
    guard let section = try root.optional("pipeline") else { return }
    let stages = try section.optional("stages")
    if let stages, stages.value != .string("auto") {
      reading.configuration.pipeline = try stages.positiveInteger(upTo: 1 << 16)
      if reading.configuration.pipeline > 1 && reading.configuration.zero > 1 {
        throw stages.malformed(
          expected: "1, as zero_optimization.stage is \(reading.configuration.zero)",
          remedy: "stage 0 or 1: DeepSpeed's pipelines take no more")
      }
    } else {
      reading.unpriced.append("pipeline (its stages are \"auto\")")
    }
  }
}
