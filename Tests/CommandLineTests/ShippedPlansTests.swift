import Foundation
import Testing

/// Plans of `docs/plans.md`, found again with pins that leave their search little, and their twins proved.
@Suite struct ShippedPlansTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var search: String
    /// What the plan's one line has.
    var features: [String]
    /// Threads of the twin.
    var devices: Int

    var testDescription: String { search }
  }

  static let cases = [
    Case(
      search: "gpt3-175b --devices 64 --layout megatron --pipeline 16",
      features: ["pipeline 16 1f1b, tensor 4, sequence parallel"], devices: 64),
    Case(
      search: "llama-3-8b --devices 8 --layout data --pipeline 2 --schedule interleaved",
      features: ["pipeline 2 interleaved", "recompute 1 full + 16 none | 15 none"], devices: 4),
    Case(
      search: "tiny-llama --devices 512 --layout stationary --context 2 --pipeline 4",
      features: ["context 2 ring, x 2, y 4"], devices: 64),
    Case(
      search: "llama-2-70b --devices 64 --layout megatron --context 2 --tensor 2",
      features: ["context 2, tensor 2", "zero 1"], devices: 64),
  ]

  @Test(arguments: cases)
  func `a plan for H100s is proved by its twin`(_ shipped: Case) throws {
    let line = try CommandLine()
    let found = try line.run("search \(shipped.search) --top 1 --emit @/p.json")
    #expect(found.code == 0, "\(found.error)")
    for feature in shipped.features { #expect(found.output.contains(feature), "\(found.output)") }
    let outcome = try line.run("execute @/p.json --shrink --no-record --json")
    let answer = try outcome.json()
    #expect(outcome.code == 0 && answer["valid"] as? Bool == true, "\(outcome.error)")
    #expect(answer["devices"] as? Int == shipped.devices)
  }
}
