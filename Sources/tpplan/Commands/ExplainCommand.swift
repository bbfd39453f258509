import ArgumentParser
import Formats
import Partitioner
import PlanIR

/// Takes a plan apart.
struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Show who holds what, what is communicated, and what it costs.")

  @Argument(help: "A plan file.")
  var plan: String

  @Option(help: "Another plan file, to show where they differ and what it costs.")
  var against: String?

  @Flag(
    help: "Show the best plan of another layout, number of stages and so on, by a search of each.")
  var runnersUp = false

  @Option(help: "Only the runner-up in this; may be given again.")
  var decision: [PlanDecision] = []

  @Option(help: "The database of measured times, for plans of --cluster local.")
  var timings: String?

  @Flag(help: "Print one JSON document.")
  var json = false

  func validate() throws {
    if !decision.isEmpty && !runnersUp {
      throw ValidationError("--decision needs --runners-up")
    }
  }

  func run() throws {
    try answering(json: json) {
      let (plan, training) = try Inputs.plan(self.plan, timings: timings)
      let other = try against.map { try Inputs.plan($0, timings: timings).plan }
      let table = try Inputs.timings(
        for: plan.cluster, devices: plan.choices.mesh.deviceCount, timings)
      let explanation = try Partitioner.explain(
        training, choices: plan.choices, cluster: plan.cluster, timings: table)
      let comparison = other.map { Comparison(plan, $0, training, table) }
      let found = runnersUp ? runnersUp(of: plan, training, table) : nil
      if json {
        try StandardOutput.print(
          ExplainJSON.document(plan, explanation, against: comparison, runnersUp: found))
      } else {
        try StandardOutput.print(
          ExplainText.text(plan, explanation, against: comparison, runnersUp: found))
      }
    }
  }

  private func runnersUp(
    of plan: Plan, _ training: TrainingGraph, _ timings: TimingTable
  ) -> [RunnerUp] {
    var request = SearchRequest(
      training: training, cluster: plan.cluster, devices: plan.choices.mesh.deviceCount,
      timings: timings)
    request.progress = SearchProgress.reporter
    let decisions = decision.isEmpty ? PlanDecision.allCases : decision
    return RunnersUp.of(plan.ranked, request, in: decisions) { next in
      guard StandardError.showsProgress else { return }
      StandardError.print("tpplan: looking for the best plan of another \(next.text)")
    }
  }
}
