import ArgumentParser
import Calibration
import Formats
import Partitioner
import PlanIR

/// Measures this machine's kernels and collectives into the timing database.
struct CalibrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract: "Measure kernels and collectives of this machine for --cluster local, or of its GPU.",
    discussion: """
      local: matrix products first, then all other kernels that plans of the model for up to 16 devices \
      run, then collectives among threads; in float32, then in float64.

      cuda: matrix products of such plans by cuBLAS in bfloat16, float16, tf32 and float32, then their \
      other kernels, compiled on the spot, in bfloat16 and float32, then copies. Attention is not \
      measured, but for the softmax of its unfused form. libcuda, libcublas and libnvrtc (CUDA 11.1 or later) are opened when the \
      command runs: they are looked for in the folders of TPPLAN_CUDA_LIBRARIES (separated by colons), \
      then where the system looks (LD_LIBRARY_PATH), then in lib64 of CUDA_HOME, CUDA_PATH and \
      /usr/local/cuda. The first GPU of CUDA_VISIBLE_DEVICES is measured.

      Each finished measurement is stored at once; a second run measures what is missing. What was measured \
      once on this machine's cores is measured again, as often as the budget allows, for a machine is not \
      equally fast at all times.
      """)

  @Option(help: "What is measured: local (this machine's cores) or cuda (its GPU).")
  var cluster = CalibrationTarget.local

  @Option(help: "The model whose kernels are measured (default: tiny-gpt2, with cuda gpt2).")
  var model: String?

  @Option(
    help: "Measure this type alone, float32 or float64 (default: both). Predictions read float32.")
  var dtype: RunDType?

  @Option(help: "Seconds to spend.")
  var budget = 60.0

  @Flag(help: "Measure what is known, too, and add samples to it.")
  var again = false

  @OptionGroup(title: "Workload") var workload: WorkloadOptions

  @Flag(help: "Name each measurement on standard error as soon as it is stored.")
  var verbose = false

  @Option(help: "The database.")
  var timings: String?

  @Flag(help: "Print one JSON document.")
  var json = false

  func validate() throws {
    guard budget > 0, budget.isFinite else {
      throw ValidationError("--budget: expected a positive number of seconds, found \(budget)")
    }
    if dtype == .bfloat16 {
      throw ValidationError("--dtype: expected float32 or float64, found bfloat16")
    }
    if dtype != nil, cluster == .cuda {
      throw ValidationError("--dtype: a GPU is measured in all types that it has")
    }
  }

  func run() throws {
    try answering(json: json) {
      let timings = LocalTimings(path: timings)
      let summary =
        switch cluster {
        case .local: try local(timings)
        case .cuda: try cuda(timings)
        }
      if json { return try StandardOutput.print(summary.document) }
      try StandardOutput.print(summary.text(storedIn: try timings.file()))
    }
  }

  private func local(_ timings: LocalTimings) throws -> CalibrationSummary {
    CalibrationSummary(
      try timings.measure(
        try tasks(), budget: budget, policy: .spread, again: again,
        progress: Self.progress(verbose)))
  }

  private func cuda(_ timings: LocalTimings) throws -> CalibrationSummary {
    let calibration = CUDACalibration(
      model: try Inputs.model(model ?? "gpt2"), workload: workload.overrides, timings: timings)
    return CalibrationSummary(
      try calibration.run(
        budget: budget, policy: .thorough, again: again, progress: Self.progress(verbose)))
  }

  /// Tells each measurement, or, on a terminal, every second how many there are.
  private static func progress(_ isVerbose: Bool) -> (CalibrationProgress) -> Void {
    let showsProgress = StandardError.showsProgress
    var told = 0.0
    return { step in
      if isVerbose {
        if step.pass == 1 { StandardError.print("stored \(step.text)") }
        return
      }
      let now = CalibrationClock.system.wall()
      guard showsProgress, now - told >= 1 || step.done == step.total else { return }
      told = now
      let pass = step.pass > 1 ? ", pass \(step.pass)" : ""
      StandardError.print("measured \(step.done) of \(step.total)\(pass): \(step.text)")
    }
  }

  /// What programs of the model run, products first, what is added to all that threads run, one kernel of each kind and
  /// then all others, and collectives.
  private func tasks() throws -> [CalibrationTask] {
    let programs = try CalibrationPrograms(
      model: Inputs.model(model ?? "tiny-gpt2"), workload: workload.overrides, everyKind: true
    ).all()
    let dtypes = dtype.map { [$0.dtype] } ?? [.float32, .float64]
    return dtypes.flatMap { tasks(CalibrationTasks(dtype: $0), programs) }
  }

  private func tasks(_ tasks: CalibrationTasks, _ programs: [Program]) -> [CalibrationTask] {
    let products = tasks.kernels(of: programs) { $0.product != nil }
    var kinds: Set<String> = []
    var (firsts, others): ([CalibrationTask], [CalibrationTask]) = ([], [])
    for task in tasks.kernels(of: programs, where: { $0.product == nil }) {
      if kinds.insert(task.key(on: tasks.machine).kernel).inserted {
        firsts.append(task)
      } else {
        others.append(task)
      }
    }
    return products + tasks.shared + firsts + others + tasks.collectives
  }
}

extension SamplingPolicy {
  /// A twentieth of a second each: some hundred kernels come to a minute.
  fileprivate static let thorough = SamplingPolicy(enoughSeconds: 0.05)

  /// Some milliseconds each at a time, at as many moments as there is time for.
  fileprivate static let spread = SamplingPolicy(
    minimumSamples: 3, maximumSamples: 15, enoughSeconds: 0.004, limitSeconds: 0.15, passes: 24)
}

/// What can be calibrated.
enum CalibrationTarget: String, ExpressibleByArgument, CaseIterable {
  case local, cuda
}
