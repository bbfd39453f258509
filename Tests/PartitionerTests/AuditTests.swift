import Formats
import Foundation
import Partitioner
import PlanIR
import TestSupport
import Testing

/// A launch of Megatron-LM that gets something wrong, or that cannot be.
struct LaunchCase: Sendable, CustomTestStringConvertible {
  let name, model, cluster: String
  let devices: Int
  let flags: String

  init(
    _ name: String, _ model: String, _ devices: Int, _ flags: String,
    on cluster: String = "h100-sxm"
  ) {
    (self.name, self.model, self.devices, self.flags) = (name, model, devices, flags)
    self.cluster = cluster
  }

  var testDescription: String { name }

  /// What is asked, the optimum looked for among Megatron's own plans.
  func request() throws -> AuditRequest {
    let models = ModelCatalog(folders: [Golden.root.path + "/models"])
    let clusters = ClusterCatalog(folders: [Golden.root.path + "/models/clusters"])
    let model = try models.model(model)
    let reading = try MegatronLaunch.read(
      flags + " --bf16 --attention-dropout 0 --hidden-dropout 0", model: model)
    let training = try TrainingGraph(
      model: model, workload: reading.configuration.workload.resolved(for: model))
    var pins = Pins()
    pins.layout = .megatron
    return AuditRequest(
      training: training, cluster: try clusters.cluster(cluster), devices: devices,
      configuration: reading.configuration, pins: pins)
  }
}

@Suite struct AuditTests {
  /// Ten launches that users commonly get wrong, with the rule that must speak and what its text names.
  static let mistakes: [(rule: AuditRule, names: String, launch: LaunchCase)] = [
    (
      .tensorAcrossNodes, "--tensor-model-parallel-size 8",
      LaunchCase(
        "tensor across nodes", "gpt3-175b", 128,
        "--tensor-model-parallel-size 16 --pipeline-model-parallel-size 4 --sequence-parallel "
          + "--micro-batch-size 1 --global-batch-size 128 --use-distributed-optimizer")
    ),
    (
      .tinyMicroBatch, "--micro-batch-size 4",
      LaunchCase(
        "tiny micro-batches", "llama-3-8b", 64,
        "--tensor-model-parallel-size 4 --micro-batch-size 1 --global-batch-size 512")
    ),
    (
      .largeMicroBatch, "fits",
      LaunchCase(
        "micro-batches too large to fit", "llama-3-8b", 64,
        "--tensor-model-parallel-size 2 --sequence-parallel --use-distributed-optimizer "
          + "--micro-batch-size 8 --global-batch-size 512")
    ),
    (
      .fewMicroBatches, "--micro-batch-size 1",
      LaunchCase(
        "too few micro-batches", "gpt3-175b", 512,
        "--tensor-model-parallel-size 8 --pipeline-model-parallel-size 16 --sequence-parallel "
          + "--use-distributed-optimizer --micro-batch-size 4 --global-batch-size 64",
        on: "a100-sxm-80gb")
    ),
    (
      .unevenStages, "--decoder-last-pipeline-num-layers",
      LaunchCase(
        "head forgotten", "llama-3-8b", 64,
        "--pipeline-model-parallel-size 8 --use-distributed-optimizer --micro-batch-size 1 "
          + "--global-batch-size 512")
    ),
    (
      .sequenceParallelismOff, "--sequence-parallel",
      LaunchCase(
        "sequence parallelism off", "llama-2-70b", 64,
        "--tensor-model-parallel-size 8 --pipeline-model-parallel-size 4 "
          + "--use-distributed-optimizer --micro-batch-size 1 --global-batch-size 512")
    ),
    (
      .needlessRecomputation, "no --recompute-granularity",
      LaunchCase(
        "full recomputation without need", "llama-3-8b", 64,
        "--tensor-model-parallel-size 4 --sequence-parallel --use-distributed-optimizer "
          + "--micro-batch-size 2 --global-batch-size 512 --recompute-granularity full "
          + "--recompute-method uniform --recompute-num-layers 1")
    ),
    (
      .optimizerNotSharded, "fits",
      LaunchCase(
        "distributed optimizer off", "llama-3-8b", 16,
        "--tensor-model-parallel-size 2 --sequence-parallel --micro-batch-size 1 "
          + "--global-batch-size 512")
    ),
    (
      .needlessPipeline, "--pipeline-model-parallel-size 1",
      LaunchCase(
        "pipeline where data alone fits", "llama-3-8b", 64,
        "--pipeline-model-parallel-size 4 --use-distributed-optimizer --micro-batch-size 1 "
          + "--global-batch-size 512")
    ),
    (
      .shardedAcrossNodes, "--data-parallel-sharding-strategy optim",
      LaunchCase(
        "weights sharded across nodes", "llama-3-8b", 64,
        "--use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params "
          + "--micro-batch-size 1 --global-batch-size 512")
    ),
    (
      .needlessTensor, "--tensor-model-parallel-size 1",
      LaunchCase(
        "tensor parallelism without need", "llama-3-8b", 64,
        "--tensor-model-parallel-size 4 --sequence-parallel --use-distributed-optimizer "
          + "--micro-batch-size 1 --global-batch-size 512")
    ),
    (
      .selectiveOfFused, "frees nothing",
      LaunchCase(
        "selective recomputation of fused attention", "llama-3-8b", 64,
        "--tensor-model-parallel-size 4 --recompute-activations --micro-batch-size 1 "
          + "--global-batch-size 512")
    ),
  ]

  @Test(arguments: mistakes.indices)
  func `a common mistake gets the advice that mends it`(_ index: Int) throws {
    let mistake = Self.mistakes[index]
    let answer = Audit.run(try mistake.launch.request())
    let said = answer.advice.map { "\($0.rule.rawValue): \($0.text)" }.joined(separator: "\n")
    let advice = answer.advice.first { $0.rule == mistake.rule }
    let isRight = advice?.text.contains(mistake.names) == true
    #expect(isRight, "\(said)")
    checkConsistency(answer)
  }

  /// The optimum is never worse than the launch or any change of it, and changes are better.
  private func checkConsistency(_ answer: AuditAnswer) {
    guard let present = answer.present, let optimum = answer.optimum else {
      Issue.record("no optimum")
      return
    }
    if answer.fits {
      let isNoWorse = optimum.predicted.step <= present.predicted.step
      #expect(isNoWorse && (answer.ratio ?? 0) >= 1)
    } else {
      #expect(answer.ratio == nil)
    }
    for change in answer.changes + answer.path where change.fits {
      let isNoWorse = optimum.predicted.step <= change.plan.predicted.step
      #expect(isNoWorse, "\(change.to)")
      let helps = !answer.fits || change.plan.predicted.step <= present.predicted.step
      #expect(helps, "\(change.to)")
    }
  }

  @Test func `a launch that is as good as any of one stage is told so`() throws {
    let launch = LaunchCase(
      "good", "llama-3-8b", 64,
      "--use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params "
        + "--use-distributed-optimizer --overlap-grad-reduce --overlap-param-gather "
        + "--no-gradient-accumulation-fusion --micro-batch-size 2 --global-batch-size 512")
    var request = try launch.request()
    (request.pins.pipeline, request.pins.context) = (1, 1)
    let answer = Audit.run(request)
    #expect(answer.fits && answer.optimumSource == .present && answer.ratio == 1)
    #expect(answer.changes.isEmpty && answer.advice.isEmpty && answer.path.isEmpty)
  }

  @Test func `running out of memory is told with the stage that does`() throws {
    let launch = LaunchCase(
      "too large", "llama-2-70b", 64,
      "--tensor-model-parallel-size 8 --pipeline-model-parallel-size 2 --micro-batch-size 4 "
        + "--global-batch-size 512")
    let answer = Audit.run(try launch.request())
    #expect(answer.present != nil && !answer.fits && answer.stageCount == 2)
    #expect(answer.fullestStage == 0)
    #expect(answer.best?.fits == true || answer.path.last?.fits == true)
  }

  @Test func `stages that differ are told by their layers, not as micro-batches that are few`()
    throws
  {
    let launch = LaunchCase(
      "ends too light", "llama-3-8b", 8,
      "--pipeline-model-parallel-size 4 --decoder-first-pipeline-num-layers 2 "
        + "--decoder-last-pipeline-num-layers 2 --micro-batch-size 1 --global-batch-size 64 "
        + "--use-distributed-optimizer --seq-length 2048")
    let answer = Audit.run(try launch.request())
    let rules = answer.advice.map(\.rule)
    #expect(!rules.contains(.fewMicroBatches) && rules.contains(.unevenStages), "\(answer.advice)")
    let text = answer.advice.first { $0.rule == .unevenStages }?.text ?? ""
    #expect(text.hasPrefix("stages have 2 to 14 layers, and all wait for the slowest: "), "\(text)")
    #expect(text.contains("in place of --decoder-first-pipeline-num-layers 2 --decoder-last"))
  }

  @Test func `a bubble is no reason for what makes it larger`() throws {
    let launch = LaunchCase(
      "interleaved, and too large", "llama-3-8b", 8,
      "--pipeline-model-parallel-size 4 --num-layers-per-virtual-pipeline-stage 1 "
        + "--use-distributed-optimizer --micro-batch-size 1 --global-batch-size 8 --seq-length 8192"
    )
    var request = try launch.request()
    request.memory = .bytes(Bytes(48 << 30))
    let answer = Audit.run(request)
    let advice = answer.advice.first { $0.rule == .fewMicroBatches }
    #expect(advice?.text.contains("no virtual stages") != true, "\(advice?.text ?? "")")
  }

  @Test func `selective recomputation of more than attention's core frees something`() throws {
    let flags =
      "--tensor-model-parallel-size 4 --recompute-granularity selective --micro-batch-size 1 "
      + "--global-batch-size 512"
    for (modules, isTold) in [("", true), (" --recompute-modules mlp layernorm", false)] {
      let answer = Audit.run(
        try LaunchCase("selective", "llama-3-8b", 64, flags + modules).request())
      #expect(answer.advice.contains { $0.rule == .selectiveOfFused } == isTold)
    }
  }

  @Test(arguments: [LaunchFramework.deepspeed, .fsdp])
  func `steps that accumulate keep their batch by accumulating otherwise`(
    _ framework: LaunchFramework
  ) throws {
    var request = try LaunchCase(
      "x", "llama-3-8b", 16, "--micro-batch-size 1 --global-batch-size 64 --seq-length 2048"
    ).request()
    request.configuration.framework = framework
    (request.configuration.zero, request.configuration.microBatches) = (3, 4)
    request.memory = .unlimited
    let answer = Audit.run(request)
    let change = try #require(answer.changes.first { $0.knob == .microBatch })
    #expect(change.to.hasSuffix(" 4 and gradient_accumulation_steps 1"), "\(change.to)")
    let own = try #require(change.configuration)
    #expect(own.microBatch == 4 && own.microBatches == 1)
    #expect(change.plan.choices.microBatches == 1)
  }

  @Test func `DeepSpeed is not offered tensor parallelism beside sharded weights`() throws {
    var request = try LaunchCase(
      "x", "llama-3-8b", 16, "--micro-batch-size 2 --global-batch-size 256"
    ).request()
    request.configuration.framework = .deepspeed
    request.configuration.zero = 3
    let knobs = Audit.run(request).changes.map(\.knob)
    #expect(!knobs.contains(.tensor) && !knobs.isEmpty, "\(knobs)")
    // With ZeRO 2 gradients are scattered beside kernels only where the file says so.
    request.configuration.zero = 2
    #expect(Audit.run(request).changes.contains { $0.knob == .gradientOverlap })
    request.configuration.gradientOverlap = true
    #expect(!Audit.run(request).changes.contains { $0.knob == .gradientOverlap })
  }

  private static let impossible: [(flags: String, constraint: String, remedy: String)] = [
    ("--tensor-model-parallel-size 3 --micro-batch-size 1", "devices divisible", "63 or 66"),
    (
      "--tensor-model-parallel-size 16 --micro-batch-size 1", "key/value heads divisible",
      "--tensor-model-parallel-size 8"
    ),
    ("--micro-batch-size 3 --global-batch-size 512", "global batch divisible", "384 or 576"),
    (
      "--pipeline-model-parallel-size 64 --micro-batch-size 1", "layers divisible by stages",
      "--pipeline-model-parallel-size 32"
    ),
    (
      "--pipeline-model-parallel-size 4 --num-layers-per-virtual-pipeline-stage 3 "
        + "--micro-batch-size 1", "divisible by its chunks", "1, 2, 4, 8"
    ),
    (
      "--pipeline-model-parallel-size 4 --decoder-first-pipeline-num-layers 6 --micro-batch-size 1",
      "layers that are left", "other layers"
    ),
    (
      "--tensor-model-parallel-size 4294967296 --pipeline-model-parallel-size 4294967296 "
        + "--context-parallel-size 4294967296 --micro-batch-size 1", "devices divisible", "smaller"
    ),
  ]

  @Test(arguments: impossible.indices)
  func `a launch that cannot be is told with what could`(_ index: Int) throws {
    let (flags, constraint, remedy) = Self.impossible[index]
    let batch = flags.contains("--global-batch-size") ? "" : " --global-batch-size 512"
    let answer = Audit.run(try LaunchCase("x", "llama-3-8b", 64, flags + batch).request())
    let reasons = answer.reasons.map { "\($0)" }.joined(separator: "; ")
    let tells = reasons.contains(constraint) && reasons.contains(remedy)
    #expect(answer.present == nil && tells, "\(reasons)")
  }

  @Test func `stages that are offered leave whole data ranks, chunks that differ are not built`()
    throws
  {
    let flags = "--micro-batch-size 1 --global-batch-size 80 --pipeline-model-parallel-size 5"
    let stages = Audit.run(try LaunchCase("x", "gpt2", 10, flags).request()).reasons
    #expect(stages.first?.remedy == "--pipeline-model-parallel-size 2", "\(stages)")
    let counted =
      " --account-for-loss-in-pipeline-split --num-virtual-stages-per-pipeline-rank 5"
    let chunks = Audit.run(try LaunchCase("x", "gpt2-medium", 10, flags + counted).request())
      .reasons
    #expect(chunks.first?.isUnbuilt == true, "\(chunks)")
  }

  @Test func `ranks lie in nodes as Megatron numbers them`() throws {
    let flags =
      "--tensor-model-parallel-size 2 --pipeline-model-parallel-size 4 --micro-batch-size 1 "
      + "--global-batch-size 512 --use-distributed-optimizer"
    let usual = Audit.run(try LaunchCase("a", "llama-3-8b", 64, flags).request())
    let other = Audit.run(
      try LaunchCase("b", "llama-3-8b", 64, flags + " --use-tp-pp-dp-mapping").request())
    func inside(_ answer: AuditAnswer) -> [Int]? {
      answer.present?.choices.placement.map(\.insideNode)
    }
    #expect(inside(usual) == [4, 1, 2])
    #expect(inside(other) == [1, 4, 2])
  }

  /// 12 devices on nodes of 8: 4 + 4 and 4, or 6 and 6.
  @Test
  func `as many ranks share a node as the launch counts, else as keep tensor groups together`()
    throws
  {
    let flags = "--tensor-model-parallel-size 4 --micro-batch-size 1 --global-batch-size 96"
    var request = try LaunchCase("c", "llama-3-8b", 12, flags).request()
    func inside() -> [Int]? {
      Audit.run(request).present?.choices.placement.map(\.insideNode)
    }
    #expect(inside() == [1, 4])
    request.launchedPerNode = 6
    #expect(inside() == [3, 2])
    request.launchedPerNode = 5
    #expect(inside() == [1, 4])
  }

  @Test func `a tensor degree that crosses the nodes that a launch fills is told`() throws {
    let flags =
      "--tensor-model-parallel-size 4 --micro-batch-size 1 --global-batch-size 96 "
      + "--use-distributed-optimizer --sequence-parallel"
    var request = try LaunchCase("c", "llama-3-8b", 12, flags).request()
    func crosses() -> Bool {
      Audit.run(request).advice.contains { $0.rule == .tensorAcrossNodes }
    }
    #expect(!crosses())
    request.launchedPerNode = 6
    #expect(crosses())
  }
}
