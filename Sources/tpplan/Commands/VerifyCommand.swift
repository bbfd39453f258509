import ArgumentParser
import Formats
import Partitioner
import PlanIR

/// Checks that a plan is the best, by the certificate of the search that found it.
struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check a plan against the certificate of its search.",
    discussion: """
      The plan is lowered again, must cost what its file says, and be one that the search was asked for: \
      within the limit, with what was pinned. No bound of the certificate may be less than its step, none of \
      its own decisions more, all that there is to decide must be in it or below a bound, and plans drawn at random, \
      and such as hold little of what is said not to fit, lowered and priced whole, must not be faster than the bounds \
      that they fall under.
      """)

  @Argument(help: "The plan that search --emit wrote.")
  var plan: String

  @Option(help: "The certificate that search --certificate wrote.")
  var certificate: String

  @Option(help: "How many plans to draw, and how many at most of those said not to fit.")
  var draws = 1000

  @Option(help: "The seed of what is drawn.")
  var seed: UInt64 = 0

  @Option(help: "The database of measured times, for plans of --cluster local.")
  var timings: String?

  @Flag(help: "Print one JSON document.")
  var json = false

  func validate() throws {
    guard (0...100_000_000).contains(draws) else {
      throw ValidationError("--draws: expected 0 to 100000000, found \(draws)")
    }
  }

  func run() throws {
    try answering(json: json) {
      let (plan, training) = try Inputs.plan(self.plan, timings: timings)
      let file = try CertificateFile(contentsOf: certificate)
      try hold(file, against: plan)
      var request = SearchRequest(
        training: training, cluster: plan.cluster, devices: file.devices,
        memory: file.limit.map { .bytes($0) } ?? .unlimited, pins: try pins(file))
      request.timings = try Inputs.timings(
        for: plan.cluster, devices: file.devices, timings)
      let check = CertificateCheck(
        file.certificate, of: request, best: plan.choices, step: file.step, draws: draws, seed: seed
      )
      if json {
        try StandardOutput.print(VerifyText.document(check, file.step))
      } else {
        try StandardOutput.print(VerifyText.text(check, file.step))
      }
      if !check.faults.isEmpty { throw ExitCode(1) }
    }
  }

  /// Whether the certificate is of a search that found the plan.
  private func hold(_ file: CertificateFile, against plan: Plan) throws {
    let devices = plan.choices.mesh.deviceCount
    guard file.devices == devices else {
      throw CommandFailure.no(
        "\(certificate): at $.asked.devices: expected the plan's \(devices), found \(file.devices)")
    }
    guard file.step == plan.predicted.step else {
      throw CommandFailure.no(
        "\(certificate): at $.step_ps: expected the plan's \(plan.predicted.step.count), "
          + "found \(file.step.count); it is of another search")
    }
    let held = plan.predicted.memory.total
    if let limit = file.limit, held > limit {
      throw CommandFailure.no(
        "\(certificate): at $.asked.memory_bytes: expected no less than the plan's \(held.count), "
          + "found \(limit.count); it is of another search")
    }
  }

  private func pins(_ file: CertificateFile) throws -> Pins {
    do {
      return try PinOptions.parse(file.pins).pins
    } catch {
      throw CommandFailure.badData(
        "\(certificate): at $.asked.pins: expected options of search, found "
          + file.pins.joined(separator: " "))
    }
  }
}
