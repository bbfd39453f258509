import ArgumentParser
import Calibration
import Formats
import Partitioner
import PlanIR

/// Measures this machine's kernels into the timing database.
struct CalibrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract: "Measure matrix products of this machine for --cluster local.",
    discussion: """
      Each finished measurement is stored at once; a second run measures what is missing.
      """)

  @Option(help: "What is measured: local (this machine's cores) or cuda.")
  var cluster = CalibrationTarget.local

  @Option(help: "The model whose products are measured.")
  var model = "tiny-gpt2"

  @Option(help: "Seconds to spend.")
  var budget = 60.0

  @Option(help: "The database.")
  var timings: String?

  @Flag(help: "Print one JSON document.")
  var json = false

  func validate() throws {
    guard budget > 0, budget.isFinite else {
      throw ValidationError("--budget: expected a positive number of seconds, found \(budget)")
    }
  }

  func run() throws {
    try answering(json: json) {
      guard cluster == .local else {
        throw CommandFailure.no("calibrate --cluster cuda is not built in this version")
      }
      let sizes = try productSizes()
      let timings = LocalTimings(path: timings)
      let showsProgress = StandardError.showsProgress
      let outcome = try timings.measure(sizes, budget: budget, skipStored: true) { done, total in
        if showsProgress { StandardError.print("measured \(done) of \(total)") }
      }
      let file = try timings.file()
      if json {
        let document = JSONValue.object([
          JSONMember(key: "schema", value: "tpplan.calibrate/1"),
          JSONMember(key: "measured", value: .integer(outcome.measured.count)),
          JSONMember(key: "skipped", value: .integer(outcome.skipped)),
          JSONMember(key: "left", value: .integer(outcome.left.count)),
          JSONMember(key: "too_large", value: .integer(outcome.tooLarge.count)),
        ])
        return try StandardOutput.print(document)
      }
      try StandardOutput.print(
        "\(outcome.measured.count) products measured, \(outcome.skipped) known already, "
          + "\(outcome.left.count) left for another run; in \(file)")
    }
  }

  /// The products of the model at every tensor degree and micro-batch that up to 16 devices allow.
  private func productSizes() throws -> [TimingTable.MatmulSize] {
    let model = try Inputs.model(model)
    let workload = WorkloadOverrides().resolved(for: model)
    let training = try Inputs.trainingGraph(model, workload, devices: 16)
    let local = try Inputs.cluster("local")
    var sizes: Set<TimingTable.MatmulSize> = []
    for devices in [1, 2, 4, 8, 16] {
      let request = SearchRequest(
        training: training, cluster: local, devices: devices, memory: .unlimited)
      for plan in Search.run(request).plans {
        sizes.formUnion(try Partitioner.matmulSizes(of: training, choices: plan.choices))
      }
    }
    return sizes.sorted()
  }
}

/// What can be calibrated.
enum CalibrationTarget: String, ExpressibleByArgument, CaseIterable {
  case local, cuda
}
