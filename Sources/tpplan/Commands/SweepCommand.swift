import ArgumentParser
import Dispatch
import Formats
import Partitioner
import PlanIR

/// Searches at each of several device counts, to see how far a model scales.
struct SweepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep",
    abstract: "Find the best plan of each device count, and where more devices stop paying.",
    discussion: """
      COUNTS are 8,16,24, or 64..4096 (64, 128, 256, ... up to 4096), or 8..64:8 (8, 16, 24, ...), \
      or a mix of them joined by commas; at most 64 of them.

      Exit codes: 0 something fits at one of the counts; 1 nothing fits at any; 64 wrong usage.
      """)

  @OptionGroup var target: ClusterOptions

  @Option(
    help: ArgumentHelp("The device counts, each used whole.", valueName: "counts"),
    transform: DeviceCounts.init(parsing:))
  var devices: DeviceCounts

  @Flag(help: "Print one JSON document.")
  var json = false

  @Flag(help: "Print comma-separated values (RFC 4180), a header first.")
  var csv = false

  @OptionGroup(title: "Workload") var workload: WorkloadOptions
  @OptionGroup(title: "Pins") var pins: PinOptions

  @Option(help: "The database of measured times, for --cluster local.")
  var timings: String?

  func validate() throws {
    if json && csv { throw ValidationError("--json contradicts --csv") }
  }

  func run() throws {
    try answering(json: json) {
      let start = DispatchTime.now().uptimeNanoseconds
      let asked = try asked()
      let answer = try sweep(asked)
      let elapsed = Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
      if json {
        try StandardOutput.print(SweepJSON.document(asked, answer, elapsed))
      } else if csv {
        try StandardOutput.write(SweepCSV.text(asked, answer))
      } else {
        try StandardOutput.print(SweepText.text(asked, answer, elapsed))
      }
      if !answer.fits { throw ExitCode(1) }
    }
  }

  private func asked() throws -> SweepHead {
    let model = try Inputs.model(target.model)
    return SweepHead(
      model: model, cluster: try Inputs.cluster(target.cluster),
      workload: workload.workload(for: model),
      counts: devices.counts, memory: target.limit)
  }

  private func sweep(_ asked: SweepHead) throws -> SweepAnswer {
    let showsProgress = StandardError.showsProgress
    var answers: [(devices: Int, answer: SearchAnswer)] = []
    for (number, count) in asked.counts.enumerated() {
      let head = asked.head(devices: count)
      var search = HeadSearch(head: head, pins: pins.pins, timings: timings)
      // On this machine the products of as many plans are measured as a search of one count has.
      if !head.cluster.isLocal { search.keep = 1 }
      answers.append((count, try search.answer()))
      if showsProgress {
        StandardError.print("searched \(count) devices, \(number + 1) of \(asked.counts.count)")
      }
    }
    return SweepAnswer(answers, tokens: asked.workload.tokens)
  }
}
