import Formats
import PlanIR
import Testing

/// Configurations of DeepSpeed and of accelerate with FSDP.
@Suite struct LaunchFileTests {
  private static let deepSpeed = """
    {"train_batch_size": 512, "train_micro_batch_size_per_gpu": 2,
     "gradient_accumulation_steps": "auto", "bf16": {"enabled": true}, "steps_per_print": 10,
     "zero_optimization": {"stage": 3, "overlap_comm": true, "contiguous_gradients": true,
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
      configuration.zero == 3 && configuration.tensor == 2 && configuration.recompute == .full)
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

  private static let strategies: [(String, Int, Bool)] = [
    ("FULL_SHARD", 3, false), ("1", 3, false), ("SHARD_GRAD_OP", 2, false), ("NO_SHARD", 0, false),
    ("HYBRID_SHARD", 3, true), ("5", 2, true),
  ]

  @Test(arguments: strategies.indices)
  func `a sharding strategy is a stage of ZeRO`(_ index: Int) throws {
    let (name, zero, isHybrid) = Self.strategies[index]
    let reading = try accelerate(
      "mixed_precision: bf16\nfsdp_config:\n  fsdp_sharding_strategy: \(name)\n")
    #expect(reading.configuration.zero == zero)
    #expect(reading.configuration.shardsWithinNodes == isHybrid)
  }

  @Test func `FSDP 2 says whether weights are sharded again, in JSON too`() throws {
    let reading = try accelerate(
      #"{"fsdp_config": {"fsdp_version": 2, "fsdp_reshard_after_forward": false}}"#)
    #expect(reading.configuration.zero == 2)
    #expect(reading.configuration.workload.precision == .fp32)
  }

  private static let wrong: [(String, String)] = [
    ("", "line 0"), ("a", "line 1"), ("\ta: 1", "line 1"), ("a: 1\na: 2", "line 2"),
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
