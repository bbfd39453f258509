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

  @Option(help: "The database of measured times, for plans of --cluster local.")
  var timings: String?

  @Flag(help: "Print one JSON document.")
  var json = false

  func run() throws {
    try answering(json: json) {
      let (plan, training) = try Inputs.plan(self.plan, timings: timings)
      let other = try against.map { try Inputs.plan($0, timings: timings).plan }
      let table = try Inputs.timings(for: plan.cluster, timings)
      let explanation = try Partitioner.explain(
        training, choices: plan.choices, cluster: plan.cluster, timings: table)
      let comparison = other.map { Comparison(plan, $0, training, table) }
      if json {
        let document = ExplainJSON.document(plan, explanation, against: comparison)
        try StandardOutput.print(document)
      } else {
        try StandardOutput.print(ExplainText.text(plan, explanation, against: comparison))
      }
    }
  }
}
