import Formats
import PlanIR
import Testing

/// Configurations of DeepSpeed and of accelerate with FSDP.
@Suite struct LaunchFileTests {
  private static let deepSpeed = """
    {"train_batch_size": 512, "train_micro_batch_size_per_gpu": 2,
     "gradient_accumulation_steps": "auto", "bf16": {"enabled": true}, "steps_per_print": 10,
     "zero_optimization": {"stage": 2, "overlap_comm": true, "contiguous_gradients": true,
       "offload_optimizer": {"device": "cpu"}, "offload_param": {"device": "none"}},
     "optimizer": {"type": "AdamW", "params": {"lr": "auto"}}, "tensor_parallel": {"autotp_size": 2},
     "activation_checkpointing": {"partition_activations": false}, "brand_new": 1}
    """

  private func deepSpeed(_ text: String) throws -> LaunchReading {
    try DeepSpeedLaunch.read(text: text, file: "ds.json", devices: 8)
  }

  private func accelerate(_ text: String) throws -> LaunchReading {
    try FSDPLaunch.read(bytes: Array(text.utf8), file: "fsdp.yaml")
  }

  @Test func `DeepSpeed's fields are read, offload and unknown ones are told`() throws {
    let reading = try deepSpeed(Self.deepSpeed)
    let configuration = reading.configuration
    #expect(
      configuration.zero == 2 && configuration.tensor == 2 && configuration.recompute == .full)
    #expect(configuration.microBatch == 2 && configuration.microBatches == nil)
    #expect(configuration.workload.globalBatch == 512)
    #expect(configuration.workload.precision == .mixed)
    #expect(configuration.workload.optimizer == .adamw)
    #expect(configuration.overlapsGradients)
    #expect(reading.unpriced == ["zero_optimization.offload_optimizer"])
    #expect(reading.unknown == ["\"brand_new\""])
    let tellsAuto = reading.notes.contains { $0.contains("gradient_accumulation_steps") }
    #expect(tellsAuto)
  }

  private static let yaml = """
    # written by accelerate config
    compute_environment: LOCAL_MACHINE
    distributed_type: FSDP
    fsdp_config:
      fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP
      fsdp_backward_prefetch: BACKWARD_PRE   # comment
      fsdp_sharding_strategy: 'SHARD_GRAD_OP'
      fsdp_activation_checkpointing: true
      fsdp_offload_params: false
      brand_new: 1
    gradient_accumulation_steps: 4
    mixed_precision: "bf16"
    num_processes: 16
    tpu_env: []
    """

  @Test func `accelerate's YAML is read`() throws {
    let reading = try accelerate(Self.yaml)
    let configuration = reading.configuration
    #expect(configuration.zero == 2 && configuration.recompute == .full)
    #expect(configuration.microBatches == 4 && reading.devices == 16)
    #expect(configuration.workload.precision == .mixed)
    #expect(reading.unknown == ["\"brand_new\""])
    #expect(reading.unpriced == ["fsdp_backward_prefetch"])
  }

  /// Which stages of ZeRO DeepSpeed overlaps gradients in, where the file says so, does not, and is silent.
  private static let overlaps: [(zero: Int, asked: Bool?, pipeline: Int, expected: Bool)] = [
    (0, true, 1, false), (1, true, 1, false), (2, true, 1, true), (2, false, 1, false),
    (2, nil, 1, false), (3, nil, 1, true), (3, false, 1, false), (1, true, 2, false),
  ]

  @Test(arguments: overlaps.indices)
  func `DeepSpeed overlaps gradients where it shards them`(_ index: Int) throws {
    let row = Self.overlaps[index]
    let asked = row.asked.map { ", \"overlap_comm\": \($0)" } ?? ""
    let reading = try deepSpeed(
      "{\"zero_optimization\": {\"stage\": \(row.zero)\(asked)}, \"pipeline\": {\"stages\": \(row.pipeline)}}"
    )
    #expect(reading.configuration.overlapsGradients == row.expected)
    let tells = reading.notes.contains { $0.contains("overlap_comm") }
    #expect(tells == (row.asked == true && row.zero < 2))
  }

  @Test func `DeepSpeed's other forms of mixed precision are told`() throws {
    let reading = try deepSpeed("{\"torch_autocast\": {\"enabled\": true}, \"data_types\": {}}")
    #expect(reading.configuration.workload.precision == .mixed)
    #expect(reading.unpriced == ["torch_autocast", "data_types"] && reading.unknown.isEmpty)
    #expect(reading.notes.contains { $0.contains("torch_autocast is priced as mixed") })
  }

  @Test func `accelerate's mesh is read, and FSDP 2 reads no strategy`() throws {
    let head = "num_processes: 8\nmixed_precision: bf16\nfsdp_config:\n  fsdp_version: 2\n"
    let mesh =
      head + "  fsdp_sharding_strategy: NO_SHARD\n  fsdp_reshard_after_forward: true\n"
      + "parallelism_config:\n  parallelism_config_cp_comm_strategy: allgather\n"
    func sizes(_ copies: Int, _ shards: Int, _ context: Int, _ tensor: Int) -> String {
      "  parallelism_config_dp_replicate_size: \(copies)\n  parallelism_config_dp_shard_size: \(shards)\n"
        + "  parallelism_config_cp_size: \(context)\n  parallelism_config_tp_size: \(tensor)\n"
    }
    let reading = try accelerate(mesh + sizes(1, 2, 2, 2))
    let configuration = reading.configuration
    #expect(configuration.zero == 3 && configuration.context == 2 && configuration.tensor == 2)
    #expect(reading.ignored.contains("fsdp_sharding_strategy"))
    #expect(reading.notes.contains { $0.contains("data x context") })
    #expect(try accelerate(mesh + sizes(4, 1, 1, 2)).configuration.zero == 0)
    let hybrid = try accelerate(mesh + sizes(2, 4, 1, 1)).configuration
    #expect(hybrid.copies == .count(2) && hybrid.zero == 3)
    #expect(throws: FormatError.self) { try accelerate(mesh + sizes(1, 2, 1, 2)) }
  }

  @Test func `gradients that accumulate are told to be priced otherwise`() throws {
    let text = "mixed_precision: bf16\nfsdp_config: {}\ngradient_accumulation_steps: "
    for (steps, tells) in [(1, false), (4, true)] {
      let notes = try accelerate(text + "\(steps)\n").notes
      #expect(notes.contains { $0.contains("sync_each_batch") } == tells)
    }
  }

  @Test func `lines may end as they do on Windows, after a byte order mark`() throws {
    let plain = try accelerate(Self.yaml)
    let other = try accelerate("\u{FEFF}" + Self.yaml.replacing("\n", with: "\r\n"))
    #expect(other.configuration == plain.configuration && other.unknown == plain.unknown)
    let error = #expect(throws: FormatError.self) { try accelerate("a: 1\r\n\r\nb: [\r\n") }
    #expect(error?.description.contains("line 3") == true)
  }

  @Test(arguments: ["bf16", "no"])
  func `bytes a parameter are told of mixed precision alone`(_ precision: String) throws {
    let notes = try accelerate("mixed_precision: \(precision)\nfsdp_config: {}\n").notes
    #expect(notes.contains { $0.contains("18 bytes") } == (precision == "bf16"), "\(notes)")
  }

  private static let strategies: [(String, Int, LaunchCopies)] = [
    ("FULL_SHARD", 3, .one), ("1", 3, .one), ("SHARD_GRAD_OP", 2, .one), ("NO_SHARD", 0, .one),
    ("HYBRID_SHARD", 3, .perNode), ("5", 2, .perNode),
  ]

  @Test(arguments: strategies.indices)
  func `a sharding strategy is a stage of ZeRO`(_ index: Int) throws {
    let (name, zero, copies) = Self.strategies[index]
    let reading = try accelerate(
      "mixed_precision: bf16\nfsdp_config:\n  fsdp_sharding_strategy: \(name)\n")
    #expect(reading.configuration.zero == zero)
    #expect(reading.configuration.copies == copies)
    let tells = reading.notes.contains { $0.contains("depth is the copies") }
    #expect(tells == (copies != .one))
  }

  @Test func `copies are not told of where accelerate shards nothing`() throws {
    let reading = try accelerate(
      "distributed_type: MULTI_GPU\nfsdp_config:\n  fsdp_sharding_strategy: HYBRID_SHARD\n")
    #expect(reading.configuration.zero == 0 && reading.configuration.copies == .one)
    #expect(!reading.notes.contains { $0.contains("depth is the copies") })
  }

  @Test func `FSDP 2 says whether weights are sharded again, in JSON too`() throws {
    let reading = try accelerate(
      #"{"fsdp_config": {"fsdp_version": 2, "fsdp_reshard_after_forward": false}}"#)
    #expect(reading.configuration.zero == 2)
    #expect(reading.configuration.written.sharder == .secondFSDP)
    #expect(reading.configuration.workload.precision == .fp32)
  }

  @Test func `keys may stand in quotation marks, as values may`() throws {
    let reading = try accelerate(
      "'num_processes': 4\n\"fsdp_config\":\n  'fsdp_sharding_strategy' : \"SHARD_GRAD_OP\"\n")
    #expect(reading.devices == 4 && reading.configuration.zero == 2 && reading.unknown.isEmpty)
  }

  private static let wrong: [(String, String)] = [
    ("", "line 0"), ("\"a: 1", "line 1"), ("a", "line 1"), ("\ta: 1", "line 1"),
    ("a: 1\na: 2", "line 2"),
    ("a: &x 1", "line 1"), ("a: |\n  text", "line 1"), ("a: [1, 2]", "line 1"),
    ("a:\n  b: 1\n c: 2", "line 3"), ("a: 1\n  b: 2", "line 2"), ("a:\n  - b: 1", "line 2"),
    ("a: \"x", "line 1"), ("mixed_precision: bf16", "fsdp_config"),
    ("fsdp_config:\n  fsdp_sharding_strategy: SOME", "FULL_SHARD"),
    ("fsdp_config: 1", "an object"), ("num_processes: x\nfsdp_config: {}", "num_processes"),
    ("{", "fsdp.yaml"), ("{\"fsdp_config\": []}", "an object"),
  ]

  @Test(arguments: wrong.indices)
  func `a file that cannot be read is named with the place`(_ index: Int) throws {
    let (text, place) = Self.wrong[index]
    let error = #expect(throws: FormatError.self) { try accelerate(text) }
    let message = error.map { "\($0)" } ?? ""
    let tells = message.contains(place) && error?.exitCode == 65
    #expect(tells, "\(text): \(message)")
  }

  private static let wrongDeepSpeed = [
    "[]", "{\"train_batch_size\": 0}", "{\"zero_optimization\": {\"stage\": 4}}",
    "{\"bf16\": {\"enabled\": 1}}", "{\"optimizer\": {}}", "{\"zero_optimization\": 3}",
    "{\"pipeline\": {\"stages\": 0}}", "{\"train_micro_batch_size_per_gpu\": \"many\"}",
    "{\"zero_optimization\": {\"stage\": 2}, \"pipeline\": {\"stages\": 2}}",
    "{\"zero_optimization\": {\"stage\": 3}, \"tensor_parallel\": {\"autotp_size\": 2}}",
  ]

  @Test func `DeepSpeed's pipelines take ZeRO 1; what is sharded over sequences, too, is told`()
    throws
  {
    let reading = try deepSpeed(
      """
      {"zero_optimization": {"stage": 1}, "pipeline": {"stages": 2}, "sequence_parallel_size": 2}
      """)
    #expect(reading.configuration.zero == 1 && reading.configuration.pipeline == 2)
    #expect(reading.notes.contains { $0.contains("data x sequence") })
  }

  @Test func `accelerate shards nothing unless it is told to run FSDP`() throws {
    let reading = try accelerate(Self.yaml.replacing("_type: FSDP", with: "_type: MULTI_GPU"))
    #expect(reading.configuration.zero == 0)
    #expect(reading.notes.contains { $0.contains("MULTI_GPU") })
  }

  @Test(arguments: wrongDeepSpeed)
  func `a DeepSpeed field that cannot be is refused`(_ text: String) {
    #expect(throws: FormatError.self) { try deepSpeed(text) }
  }

  @Test func `damaged files are read or refused`() {
    let generator = CounterGenerator(seed: 11, name: "damaged launches")
    let samples = [Array(Self.deepSpeed.utf8), Array(Self.yaml.utf8)]
    for number in 0..<1000 {
      var bytes = samples[number % 2]
      for change in 0..<3 {
        let index = UInt64(number * 9 + change * 3)
        let place = generator.integer(below: bytes.count, at: index)
        let byte = UInt8(generator.integer(below: 256, at: index + 1))
        if generator.integer(below: 3, at: index + 2) == 0 {
          bytes.remove(at: place)
        } else {
          bytes[place] = byte
        }
      }
      _ = try? FSDPLaunch.read(bytes: bytes, file: "f")
      let text = String(decoding: bytes, as: UTF8.self)
      _ = try? deepSpeed(text)
    }
  }
}
