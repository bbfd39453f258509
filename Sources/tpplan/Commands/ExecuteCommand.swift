import ArgumentParser
import Executor
import Formats
import Partitioner
import PlanIR
import Proof

/// Proves a plan by running it.
struct ExecuteCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "execute",
    abstract: "Run a plan on a mesh of threads and hold it against the unsharded model.",
    discussion: """
      Runs forward, backward and optimizer with real numbers, one thread a device. Valid means: \
      loss, logits and gradients are the unsharded model's within tolerance, every collective \
      moved the predicted bytes, every device held the predicted bytes.
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

  @Option(help: "The run's element type: float32 or float64.")
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

  @Option(help: "Write predicted and measured timelines to this file.")
  var trace: String?

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
    if noRecord, timings != nil { throw ValidationError("--no-record contradicts --timings") }
  }

  func run() throws {
    try answering(json: json) {
      if trace != nil { throw CommandFailure.no("--trace is not built in this version") }
      var (plan, training) = try Inputs.plan(plan)
      if shrink {
        let twin = try Shrinker.twin(of: plan)
        for change in twin.changes { StandardError.print("shrink: \(change)") }
        (plan, training) = (twin.plan, twin.training)
      }
      if let dump { try AtomicFile.check(dump) }
      let verdict = try prove(plan, training)
      if let dump { try DumpFile.write(verdict, plan, dtype.dtype, steps: steps, to: dump) }
      try record(verdict.run)
      try report(verdict, plan)
      if !verdict.isValid { throw ExitCode(1) }
    }
  }

  private func prove(_ plan: Plan, _ training: TrainingGraph) throws -> Verdict {
    let program = try Partitioner.program(of: training, choices: plan.choices)
    try MemoryGuard.check(
      program, plan.model, dtype: dtype.dtype, validates: !noValidate)
    let source: any WeightSource =
      try weights.map { try CheckpointWeights(SafetensorsFolder($0)) } ?? RandomWeights(seed: seed)
    let data =
      try batch.map { try BatchFile.read($0, plan.model, plan.workload) }
      ?? HostBatch.random(model: plan.model, workload: plan.workload, seed: seed)
    var settings = RunSettings(dtype: dtype.dtype, seed: seed, steps: steps)
    settings.learningRate = learningRate
    settings.gathers = !noValidate || dump != nil
    settings.recordsTimings = !noRecord
    let proof = Proof(
      plan: plan, program: program, settings: settings, weights: source, batch: data)
    return try located { try proof.run(validates: !noValidate) }
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

  private func record(_ run: RunResult) throws {
    guard !noRecord else { return }
    try LocalTimings(path: timings).record(run.kernelTimes, dtype: dtype.dtype)
  }

  private func report(_ verdict: Verdict, _ plan: Plan) throws {
    if json {
      let document = ExecuteJSON.document(verdict, plan, dtype: dtype.dtype, seed: seed)
      try StandardOutput.print(document)
    } else {
      try StandardOutput.print(ExecuteText.text(verdict, plan, dtype: dtype.dtype))
    }
  }
}

/// The element types of a run.
enum RunDType: String, ExpressibleByArgument, CaseIterable {
  case float32, float64

  var dtype: DType { self == .float64 ? .float64 : .float32 }
}
