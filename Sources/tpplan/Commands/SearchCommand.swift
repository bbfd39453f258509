import ArgumentParser
import Dispatch
import Formats
import Partitioner
import PlanIR

/// Finds the cheapest plan.
struct SearchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "search",
    abstract: "Rank the parallelism plans of a model on a cluster.",
    discussion: """
      MODEL is a Hugging Face config.json or a folder holding one, a native model \
      (tpplan.model/1), or the name of a shipped model (tpplan models).
      """)

  @OptionGroup var target: ClusterOptions

  @Option(help: "How many devices the plan uses, all of them.")
  var devices: Int

  @Option(help: "Write the best plan to this file.")
  var emit: String?

  @Option(
    help: "Write what became of every candidate, and by which bound, to this file: see verify.")
  var certificate: String?

  @Option(help: "How many plans to show. (default: 10; of --pareto as --json all)")
  var top: Int?

  @Flag(help: "Print one JSON document.")
  var json = false

  @OptionGroup(title: "Workload") var workload: WorkloadOptions
  @OptionGroup(title: "Pins") var pins: PinOptions

  @Option(help: "What makes a plan better.")
  var objective = Objective.time

  @Flag(help: "Show the plans that no other beats in time and memory both.")
  var pareto = false

  @Flag(help: "Show the best plan of each layout, too, by a search of each.")
  var byLayout = false

  @Flag(help: "Price what cannot be kept, too, but for mixtures that are too slow.")
  var exhaustive = false

  @Option(help: "The database of measured times, for --cluster local.")
  var timings: String?

  func validate() throws {
    guard (1...PlanLimits.devices).contains(devices) else {
      throw ValidationError("--devices: expected 1 to \(PlanLimits.devices), found \(devices)")
    }
    if let top, top < 1 { throw ValidationError("--top: expected at least 1, found \(top)") }
    var outputs = OutputPaths(reading: [("MODEL", target.model), ("--cluster", target.cluster)])
    try outputs.add("--emit", emit)
    try outputs.add("--certificate", certificate)
    try outputs.add("--timings", timings)
    guard certificate != nil else { return }
    if pareto {
      throw ValidationError("--certificate contradicts --pareto: it is of one best plan")
    }
    if objective == .memory {
      throw ValidationError("--certificate contradicts --objective memory: its bounds are of time")
    }
  }

  func run() throws {
    try answering(json: json) {
      let start = DispatchTime.now().uptimeNanoseconds
      let asked = try asked()
      let answer = try search(asked)
      let elapsed = Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
      let plans = pareto ? answer.front : answer.plans
      if let best = plans.first {
        if let emit { try write(best, asked, to: emit) }
        if let certificate { try certify(best, answer, asked, to: certificate) }
      }
      let shown = Array(plans.prefix(top ?? (pareto && json ? plans.count : Self.defaultTop)))
      if json {
        try StandardOutput.print(SearchJSON.document(asked, answer, shown, elapsed))
      } else {
        try StandardOutput.print(
          SearchText.text(asked, answer, shown, front: pareto ? plans : [], elapsed))
      }
      if plans.isEmpty { throw ExitCode(1) }
    }
  }

  private func asked() throws -> SearchHead {
    let model = try Inputs.model(target.model)
    let cluster = Inputs.adapted(try Inputs.cluster(target.cluster), devices: devices)
    return SearchHead(
      model: model, cluster: cluster, workload: workload.workload(for: model), devices: devices,
      memory: target.limit)
  }

  private static let defaultTop = 10

  private func search(_ asked: SearchHead) throws -> SearchAnswer {
    try HeadSearch(
      head: asked, pins: pins.pins, objective: objective, isExhaustive: exhaustive,
      keep: top ?? Self.defaultTop, keepsFront: pareto,
      comparesLayouts: byLayout,
      certifies: certificate != nil, timings: timings
    ).answer()
  }

  private func certify(
    _ best: RankedPlan, _ answer: SearchAnswer, _ asked: SearchHead, to path: String
  ) throws {
    guard let certificate = answer.certificate else {
      throw CommandFailure.no(
        "--certificate: a model with written shardings has no certificate in this version")
    }
    let file = CertificateFile(
      devices: asked.devices, limit: asked.limit, pins: pins.words, step: best.predicted.step,
      certificate: certificate)
    try AtomicFile.write(file.text, to: path)
  }

  private func write(_ best: RankedPlan, _ asked: SearchHead, to path: String) throws {
    let plan = Plan(
      model: asked.model, cluster: asked.cluster, workload: asked.workload, choices: best.choices,
      predicted: best.predicted)
    try AtomicFile.write(PlanFile.text(of: plan), to: path)
  }
}
