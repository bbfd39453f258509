import Foundation
import Testing

@Suite struct VerifyCommandTests {
  private static let search =
    "search tiny-gpt2 --devices 4 --layout megatron --emit @/plan.json --certificate @/bounds.json"

  @Test(arguments: ["", "--memory 40MiB --micro-batch 2", "--zero 1 --no-sequence-parallel"])
  func `what a search certifies verify accepts`(_ pins: String) throws {
    let line = try CommandLine()
    #expect(try line.run(Self.search + " " + pins).code == 0)
    let outcome = try line.run(
      "verify @/plan.json --certificate @/bounds.json --draws 200 --json")
    #expect(outcome.code == 0 && outcome.error.isEmpty)
    let document = try outcome.json()
    #expect(document["schema"] as? String == "tpplan.verify/1")
    #expect(document["holds"] as? Bool == true)
    let draws = try #require(document["draws"] as? [String: Any])
    #expect(try #require(draws["fit"] as? Int) > 0)
    let text = try line.run("verify @/plan.json --certificate @/bounds.json --draws 20")
    #expect(text.code == 0 && text.output.contains("holds: "))
  }

  @Test func `equal searches certify in equal bytes`() throws {
    let line = try CommandLine()
    _ = try line.run(Self.search)
    let first = try line.text("bounds.json")
    _ = try line.run(Self.search)
    #expect(try line.text("bounds.json") == first)
  }

  @Test func `an altered bound is bad data`() throws {
    let line = try CommandLine()
    _ = try line.run(Self.search)
    let text = try line.text("bounds.json")
    let bound = try #require(text.firstMatch(of: /"micro-batch [0-9]+": ([0-9]+)/))
    try line.write(text.replacing(bound.1, with: "\(bound.1)0", maxReplacements: 1), "bounds.json")
    let outcome = try line.run("verify @/plan.json --certificate @/bounds.json")
    #expect(outcome.code == 65 && outcome.output.isEmpty)
    #expect(outcome.error.contains("bounds.json: at $.digest: expected"))
  }

  @Test(arguments: [
    ("\"memory_bytes\": [0-9]+", "\"memory_bytes\": 1", 1, "$.asked.memory_bytes"),
    ("\"none\"", "\"full\"", 1, "asked for"),
    ("\"--zero\", \"0\"", "\"--zero\", \"3\"", 1, "asked for"),
    ("\"asked\": \\{", "\"asked\": {\"other\": 1, ", 65, "$.asked.other"),
  ])
  func `a certificate that asks for what the plan is not is refused`(
    _ pattern: String, _ other: String, _ code: Int32, _ names: String
  ) throws {
    let line = try CommandLine()
    _ = try line.run(Self.search + " --zero 0 --recompute none")
    let text = try line.text("bounds.json")
    let altered = try text.replacing(Regex(pattern), with: other, maxReplacements: 1)
    #expect(altered != text)
    try line.write(altered, "bounds.json")
    let outcome = try line.run("verify @/plan.json --certificate @/bounds.json --draws 0")
    #expect(outcome.code == code, "\(outcome)")
    #expect((outcome.output + outcome.error).contains(names), "\(outcome)")
  }

  @Test func `another plan's certificate is no`() throws {
    let line = try CommandLine()
    _ = try line.run(Self.search)
    let emit = "search tiny-gpt2 --devices 4 --emit @/other.json --layout "
    _ = try line.run(emit + "sequence --tensor 4")
    let other = try line.run("verify @/other.json --certificate @/bounds.json")
    #expect(other.code == 1 && other.error.contains("$.step_ps"))
    // As fast, but not of the space.
    _ = try line.run(emit + "summa")
    let alike = try line.run("verify @/other.json --certificate @/bounds.json --draws 0")
    #expect(alike.code == 1 && (alike.output + alike.error).contains("certificate"))
    _ = try line.run("search tiny-gpt2 --devices 2 --layout megatron --emit @/other.json")
    let fewer = try line.run("verify @/other.json --certificate @/bounds.json")
    #expect(fewer.code == 1 && fewer.error.contains("$.asked.devices"))
  }

  @Test(arguments: [
    ("search tiny-gpt2 --devices 2 --certificate @/c --pareto", 64),
    ("search tiny-gpt2 --devices 2 --certificate @/c --objective memory", 64),
    ("search tiny-gpt2 --devices 2 --certificate @/no/c --layout data", 74),
    ("verify @/plan.json", 64), ("verify @/no.json --certificate @/no", 66),
  ])
  func `what cannot be certified ends with the documented code`(
    _ arguments: String, _ code: Int32
  ) throws {
    let line = try CommandLine()
    #expect(try line.run(arguments).code == code)
    #expect(try line.contents().isEmpty)
  }
}
