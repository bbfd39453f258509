package import PlanIR

/// Reads a configuration of Hugging Face accelerate for PyTorch's FSDP, YAML or JSON.
package enum FSDPLaunch {
  /// What the file at `path` says.
  ///
  /// - Throws: ``FormatError`` at what cannot be read, or is no FSDP configuration.
  package static func read(contentsOf path: String) throws(FormatError) -> LaunchReading {
    try read(bytes: try FileBytes.contents(of: path, limit: 1 << 20), file: path)
  }

  /// What `bytes` say; `file` is the name that errors give.
  package static func read(bytes: [UInt8], file: String) throws(FormatError) -> LaunchReading {
    let space: Set<UInt8> = [32, 9, 10, 13]
    let isJSON = bytes.first { !space.contains($0) } == UInt8(ascii: "{")
    let root =
      isJSON
      ? try JSONDocument(bytes: bytes, file: file).root
      : JSONNode(try PlainYAML.value(of: bytes, file: file), file: file)
    var reader = FSDPReader()
    return try reader.read(root)
  }
}

/// One configuration being read.
private struct FSDPReader {
  private var reading = LaunchReading(LaunchConfiguration(.fsdp))
  /// Fields that say where and how processes start, how checkpoints are written, and when weights are
  /// fetched.
  private static let ignored: Set<String> = [
    "compute_environment", "debug", "distributed_type", "downcast_bf16", "enable_cpu_affinity",
    "machine_rank", "main_training_function", "main_process_ip", "main_process_port",
    "num_machines", "rdzv_backend", "same_network", "tpu_env", "tpu_use_cluster", "tpu_use_sudo",
    "use_cpu", "gpu_ids", "project_dir", "log_with", "dynamo_config", "mpirun_config",
    "fsdp_auto_wrap_policy", "fsdp_transformer_layer_cls_to_wrap", "fsdp_min_num_params",
    "fsdp_state_dict_type", "fsdp_sync_module_states", "fsdp_use_orig_params",
    "fsdp_cpu_ram_efficient_loading", "fsdp_version", "command_file", "commands",
    "use_parallelism_config",
  ]
  private static let unpriced: Set<String> = [
    "fsdp_backward_prefetch", "fsdp_backward_prefetch_policy", "fsdp_forward_prefetch",
    "fsdp_offload_params", "fsdp_limit_all_gathers", "gradient_clipping",
    "fp8_config", "fsdp_ignored_modules",
  ]

  mutating func read(_ root: JSONNode) throws(FormatError) -> LaunchReading {
    for (key, node) in try root.members() {
      switch key {
      case "num_processes": reading.devices = try node.positiveInteger(upTo: PlanLimits.devices)
      case "gradient_accumulation_steps":
        if case .string = node.value {
          reading.unknown.append("\(key): \(node.value.summary)")
        } else {
          reading.configuration.microBatches = try node.positiveInteger(upTo: PlanLimits.sequences)
        }
      case "mixed_precision": try readPrecision(node)
      case "fsdp_config", "parallelism_config": break
      default: sort(key, node)
      }
    }
    if reading.configuration.workload.precision == nil {
      reading.notes.append("no mixed_precision: fp32, as in accelerate")
      reading.configuration.workload.precision = .fp32
    }
    let type = try root.optional("distributed_type")
    let config = try root.optional("fsdp_config")
    guard let config else {
      throw (type ?? root).malformed(
        expected: "an FSDP configuration with fsdp_config",
        remedy: "give the file that `accelerate config` writes for FSDP")
    }
    try readSharding(config)
    if let degrees = try root.optional("parallelism_config"), degrees.value != .null {
      try readDegrees(degrees)
    }
    noteAccumulation()
    if case .string(let name)? = type?.value, name.uppercased() != "FSDP" {
      reading.notes.append(
        "distributed_type \(name): accelerate shards nothing unless it is FSDP: priced unsharded")
      (reading.configuration.zero, reading.configuration.copies) = (0, .one)
    }
    noteCopies()
    return reading
  }

  private mutating func readPrecision(_ node: JSONNode) throws(FormatError) {
    switch node.value {
    case .string("bf16"), .string("fp16"): reading.configuration.workload.precision = .mixed
    case .string("no"), .bool(false): reading.configuration.workload.precision = .fp32
    case .string("fp8"):
      reading.configuration.workload.precision = .mixed
      reading.unpriced.append("mixed_precision fp8 (priced as bf16)")
    case .null: break
    case .string, .bool, .object, .array, .integer, .number:
      throw node.malformed(expected: "bf16, fp16, fp8 or no")
    }
  }

  private mutating func readSharding(_ config: JSONNode) throws(FormatError) {
    var (strategy, resharding): (JSONNode?, JSONNode?)
    let isSecond = try config.optional("fsdp_version")?.value == .integer(2)
    for (key, node) in try config.members() {
      switch key {
      case "fsdp_sharding_strategy": strategy = node.value == .null ? nil : node
      case "fsdp_reshard_after_forward": resharding = node.value == .null ? nil : node
      case "fsdp_activation_checkpointing":
        if try flag(node) { reading.configuration.recompute = .full }
      case "fsdp_offload_params":
        if try flag(node) { reading.unpriced.append(key) } else { reading.ignored.append(key) }
      default: sort(key, node)
      }
    }
    if isSecond { reading.configuration.written.sharder = .secondFSDP }
    // FSDP 1 names the strategy in either field, FSDP 2 says whether weights are sharded again and reads no strategy.
    if isSecond && strategy != nil { reading.ignored.append("fsdp_sharding_strategy") }
    if let node = isSecond ? resharding : strategy ?? resharding {
      try setStrategy(node)
    } else {
      reading.notes.append(
        isSecond
          ? "no fsdp_reshard_after_forward: true, accelerate's default of version 2"
          : "no fsdp_sharding_strategy: FULL_SHARD, accelerate's default")
      reading.configuration.zero = 3
    }
    if reading.configuration.workload.precision == .mixed {
      reading.notes.append(
        "weights, gradients and moments of FSDP are priced as 18 bytes a parameter in mixed precision, "
          + "gradients as reduced in 4: accelerate reduces them in 2"
      )
    }
  }

  private static let degreePrefix = "parallelism_config_"

  /// The degrees of accelerate's mesh: replicas, shards, context, tensor.
  private mutating func readDegrees(_ node: JSONNode) throws(FormatError) {
    var sizes: [String: Int] = [:]
    for (key, value) in try node.members() {
      let name =
        key.hasPrefix(Self.degreePrefix) ? String(key.dropFirst(Self.degreePrefix.count)) : key
      if ["dp_replicate_size", "dp_shard_size", "tp_size", "cp_size"].contains(name) {
        sizes[name] = try value.positiveInteger(upTo: PlanLimits.devices)
      } else {
        reading.unpriced.append("parallelism_config.\(key)")
      }
    }
    reading.configuration.tensor = sizes["tp_size"] ?? 1
    reading.configuration.context = sizes["cp_size"] ?? 1
    reading.configuration.contextAttention = .ring
    let (copies, shards) = (sizes["dp_replicate_size"] ?? 1, sizes["dp_shard_size"] ?? 1)
    if shards == 1 { reading.configuration.zero = 0 }
    reading.configuration.copies = shards > 1 && copies > 1 ? .count(copies) : .one
    let all = [copies, shards, reading.configuration.tensor, reading.configuration.context]
    let product = ModelLimits.product(all, upTo: PlanLimits.devices)
    if let devices = reading.devices, product != devices {
      throw node.malformed(
        expected: "sizes whose product is num_processes, \(devices)",
        found: all.map(String.init).joined(separator: " x "), remedy: "correct one of them")
    }
    if reading.configuration.context > 1 && reading.configuration.zero > 0 {
      reading.notes.append(
        "accelerate shards over data x context what is sharded over data alone here: a device holds less than "
          + "is told")
    }
  }

  /// Steps of several micro-batches are not synchronized before the last.
  private mutating func noteAccumulation() {
    guard (reading.configuration.microBatches ?? 1) > 1, reading.configuration.zero > 1 else {
      return
    }
    reading.notes.append(
      "gradients that accumulate are priced as sharded and reduced in every micro-batch; accelerate keeps them whole "
        + "and reduces once a step, unless sync_each_batch")
  }

  /// Plans have no word of their own for copies.
  private mutating func noteCopies() {
    guard reading.configuration.copies != .one else { return }
    reading.notes.append(
      "copies of what data ranks shard are told as tesseract of one row and column: depth is the copies, and the "
        + "micro-batch that of all copies together")
  }

  private func flag(_ node: JSONNode) throws(FormatError) -> Bool {
    switch node.value {
    case .string("true"): true
    case .string("false"), .null: false
    case .string, .bool, .object, .array, .integer, .number: try node.bool()
    }
  }

  private mutating func setStrategy(_ node: JSONNode) throws(FormatError) {
    let text: String
    switch node.value {
    case .string(let name): text = name.uppercased()
    case .integer(let number): text = "\(number)"
    case .bool(let isResharded): text = isResharded ? "TRUE" : "FALSE"
    case .object, .array, .number, .null: text = ""
    }
    switch text {
    case "FULL_SHARD", "1", "TRUE": reading.configuration.zero = 3
    case "SHARD_GRAD_OP", "2", "FALSE": reading.configuration.zero = 2
    case "NO_SHARD", "3": reading.configuration.zero = 0
    case "HYBRID_SHARD", "4":
      (reading.configuration.zero, reading.configuration.copies) = (3, .perNode)
    case "HYBRID_SHARD_ZERO2", "_HYBRID_SHARD_ZERO2", "5":
      (reading.configuration.zero, reading.configuration.copies) = (2, .perNode)
    default:
      throw node.malformed(
        expected: "FULL_SHARD, SHARD_GRAD_OP, NO_SHARD, HYBRID_SHARD, HYBRID_SHARD_ZERO2 or 1 to 5")
    }
  }

  private mutating func sort(_ key: String, _ node: JSONNode) {
    let isEmpty = node.value == .null || node.value == .object([])
    if Self.ignored.contains(key) {
      reading.ignored.append(key)
    } else if Self.unpriced.contains(key) {
      if isEmpty { reading.ignored.append(key) } else { reading.unpriced.append(key) }
    } else {
      reading.unknown.append(key.quoted())
    }
  }
}
