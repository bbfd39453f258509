import ArgumentParser
import Executor
import Formats
import Partitioner
import PlanIR
import Proof
import TimingStore

/// Proves a plan by running it.
struct ExecuteCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "execute",
    abstract: "Run a plan on a mesh of threads and hold it against the unsharded model.",
    discussion: """
      Runs forward, backward and optimizer with real numbers, one thread a device. Valid means: \
      loss, logits and gradients are the unsharded model's within tolerance, every collective \
      moved the predicted bytes, every device held the predicted bytes.

      A bfloat16 run computes in float32 and rounds whatever the plan stores in two bytes each time \
      it is written. It tells how far it is from float64 and holds that to no tolerance: valid then \
      means bytes as predicted and finite numbers.
      """)

  @Argument(help: "A plan file.")
  var plan: String

  @Option(help: "Weights: a safetensors file, a sharded index, or a folder (drawn from the seed).")
  var weights: String?

  @Option(help: "A safetensors file with int64 input_ids and labels (drawn from the seed).")
  var batch: String?

  @Option(help: "Seed of everything that is drawn.")
  var seed: UInt64 = 0

  @Option(help: "Updates on the one batch.")
  var steps = 1

  @Option(
    help: "The run's element type: float32, float64, or bfloat16 as the plan's precision has it.")
  var dtype = RunDType.float32

  @Option(help: "Learning rate of the optimizer.")
  var learningRate = 1e-3

  @Flag(name: .customLong("no-validate"), help: "Skip the unsharded reference.")
  var noValidate = false

  @Flag(help: "Run a small twin with the same layouts, mesh and schedule.")
  var shrink = false

  @Option(help: "The database that kernel times are recorded in.")
  var timings: String?

  @Flag(name: .customLong("no-record"), help: "Do not record kernel times.")
  var noRecord = false

  @Option(help: "Write loss, logits and gradients to this safetensors file.")
  var dump: String?

  @Option(
    help: "Write predicted and measured timelines to this file, for Perfetto or chrome://tracing.")
  var trace: String?

  @Flag(help: "Print what the step's CPU time goes to beside what it is priced at.")
  var parts = false

  @Flag(help: "Print one JSON document.")
  var json = false

  func validate() throws {
    guard (1...1_000_000).contains(steps) else {
      throw ValidationError("--steps: expected 1 to 1000000, found \(steps)")
    }
    guard learningRate.isFinite, learningRate >= 0 else {
      throw ValidationError(
        "--learning-rate: expected a number of at least 0, found \(learningRate)")
    }
    if shrink, weights != nil || batch != nil {
      throw ValidationError("--shrink contradicts --weights and --batch: the twin is smaller")
    }
    var outputs = OutputPaths(
      reading: [("the plan", plan), ("--weights", weights), ("--batch", batch)])
    try outputs.add("--dump", dump)
    try outputs.add("--trace", trace)
    try outputs.add("--timings", timings)
  }

  func run() throws {
    try answering(json: json) {
      var (plan, training) = try Inputs.plan(plan)
      if shrink {
        let twin = try Shrinker.twin(of: plan)
        for change in twin.changes { StandardError.print("shrink: \(change)") }
        (plan, training) = (twin.plan, twin.training)
      }
      for file in [dump, trace].compactMap(\.self) { try AtomicFile.check(file) }
      // What could not be recorded is not run for nothing.
      if timings != nil && !noRecord { _ = try LocalTimings(path: timings).database(.readWrite) }
      noteWidths(of: plan)
      let program = try Partitioner.program(of: training, choices: plan.choices)
      let verdict = try prove(plan, program)
      if let trace {
        let table = try Inputs.timings(
          for: plan.cluster, devices: plan.choices.mesh.deviceCount, timings)
        try AtomicFile.write(
          TraceEvents.text(program, plan, verdict.run, timings: table), to: trace)
      }
      if let dump { try DumpFile.write(verdict, plan, precision(of: plan), steps: steps, to: dump) }
      // As it was priced before, not by what it records.
      let compared = parts ? try compared(verdict.run, plan, program) : nil
      try record(verdict.run, of: program, precision(of: plan))
      try report(verdict, plan, compared)
      if !verdict.isValid { throw ExitCode(1) }
    }
  }

  private func prove(_ plan: Plan, _ program: Program) throws -> Verdict {
    try MemoryGuard.check(
      program, plan.model, dtype: dtype.dtype, validates: !noValidate)
    let source: any WeightSource =
      try weights.map { try checkpoint($0, plan.model) } ?? RandomWeights(seed: seed)
    let data =
      try batch.map { try BatchFile.read($0, plan.model, plan.workload) }
      ?? HostBatch.random(model: plan.model, workload: plan.workload, seed: seed)
    var settings = RunSettings(dtype: dtype.dtype, seed: seed, steps: steps)
    settings.learningRate = learningRate
    settings.gathers = !noValidate || dump != nil
    settings.recordsTimings = !noRecord
    settings.recordsCalls = trace != nil
    settings.recordsParts = parts
    let proof = Proof(
      plan: plan, program: program, settings: settings, weights: source, batch: data)
    return try located { try proof.run(validates: !noValidate) }
  }

  private func checkpoint(_ path: String, _ model: Model) throws -> CheckpointWeights {
    do {
      return try CheckpointWeights(SafetensorsFolder(path), of: model)
    } catch let error as WeightError {
      throw CommandFailure.badData("\(path): \(error)")
    }
  }

  /// Names the file where what is wrong is the weights.
  private func located(_ body: () throws -> Verdict) throws -> Verdict {
    do {
      return try body()
    } catch RunError.deviceFailed(_, "loading weights", let reason) {
      let file = weights.map { reason.hasPrefix($0) ? "" : $0 + ": " } ?? ""
      throw CommandFailure.badData(file + reason)
    }
  }

  private func precision(of plan: Plan) -> RunPrecision {
    RunPrecision(dtype.dtype, planned: plan.workload.precision)
  }

  /// Says where a bfloat16 run is a float32 run.
  private func noteWidths(of plan: Plan) {
    let precision = precision(of: plan)
    guard dtype == .bfloat16, !precision.rounds(.activation) else { return }
    StandardError.print(
      "tpplan: note: the plan's precision is \(precision.planned.rawValue): a bfloat16 run of it "
        + "rounds nothing; search with --precision mixed or bf16")
  }

  /// Records kernels under the type that they computed in, float32 in a bfloat16 run.
  private func record(
    _ run: RunResult, of program: Program, _ precision: RunPrecision
  ) throws {
    guard !noRecord else { return }
    try LocalTimings(path: timings)
      .record(run.kernelTimes, of: program, dtype: precision.heldType)
  }

  /// What the run's CPU time went to beside what it is priced at.
  private func compared(
    _ run: RunResult, _ plan: Plan, _ program: Program
  ) throws -> PartComparison {
    let table = try Inputs.timings(
      for: plan.cluster, devices: plan.choices.mesh.deviceCount, timings)
    let priced = PricedParts(program, cost: ClusterCost(plan, timings: table))
    return PartComparison(run, priced, steps: max(1, steps - 1))
  }

  private func report(_ verdict: Verdict, _ plan: Plan, _ parts: PartComparison?) throws {
    if json {
      let document = ExecuteJSON.document(
        verdict, plan, dtype: dtype.dtype, seed: seed, parts: parts)
      try StandardOutput.print(document)
    } else {
      try StandardOutput.print(
        ExecuteText.text(verdict, plan, dtype: dtype.dtype, parts: parts))
    }
  }
}

/// The element types of a run.
enum RunDType: String, ExpressibleByArgument, CaseIterable {
  case float32, float64, bfloat16

  var dtype: DType {
    switch self {
    case .float32: .float32
    case .float64: .float64
    case .bfloat16: .bfloat16
    }
  }
}
