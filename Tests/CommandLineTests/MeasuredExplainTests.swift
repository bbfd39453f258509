import Foundation
import Testing

/// Searches and explanations of this machine, whose kernels and collectives are measured.
@Suite struct MeasuredExplainTests {
  private static let pins =
    "search tiny-gpt2 --devices 2 --cluster local --global-batch 16 --layout megatron --tensor 2 "
    + "--pipeline 1 --matmul gathered"

  private func seconds(_ value: Any?, _ source: String) throws -> Double {
    try #require((value as? [String: Any])?[source] as? Double)
  }

  @Test
  func `a second search measures nothing and finds the same, and explain says what it rests on`()
    throws
  {
    let line = try CommandLine()
    let first = try line.run("\(Self.pins) --emit @/plan.json --json")
    #expect(first.code == 0 && first.error.contains("tpplan: measured "), "\(first.error)")
    let listed = try line.run("timings list --json").output
    let second = try line.run("\(Self.pins) --emit @/again.json --json")
    #expect(second.code == 0 && second.error == "")
    #expect(try line.run("timings list --json").output == listed)
    #expect(try line.text("again.json") == line.text("plan.json"))
    let explained = try line.run("explain @/plan.json --json").json()
    let sources = explained["sources"]
    let (measured, interpolated, modelled) = (
      try seconds(sources, "measured"), try seconds(sources, "interpolated"),
      try seconds(sources, "modelled")
    )
    // Loading tokens and labels is not measured, nor most sizes that are sent.
    #expect(measured > 0 && interpolated > 0 && modelled < 0.05 * (measured + interpolated))
    let blocks = try #require(explained["blocks"] as? [[String: Any]])
    let parts = try blocks.map { try #require($0["seconds"] as? Double) }
    #expect(abs(parts.reduce(0, +) - measured - interpolated - modelled) < 1e-9)
    let text = try line.run("explain @/plan.json").output
    #expect(text.contains("\ntimes        measured "))
    #expect(text.contains(" (measured), communication "))
    #expect(text.contains(" (interpolated +- "))
    #expect(
      text.contains(" for 2 threads, which take ") && text.contains("x as long for sharing them"))
    #expect(try seconds(explained["cores"], "sharing") >= 1)
    let uncertainty = try seconds(sources, "interpolated_uncertainty")
    #expect(uncertainty > 0 && uncertainty < 10)
  }

  @Test func `a database that is named is what search and explain read`() throws {
    let line = try CommandLine()
    let file = "--timings @/timings-own.db"
    let search = try line.run("\(Self.pins) --emit @/plan.json \(file)")
    #expect(search.code == 0, "\(search.error)")
    #expect((try line.run("timings list --json").json()["timings"] as? [Any])?.isEmpty == true)
    let modelled = try line.run("explain @/plan.json").output
    #expect(modelled.contains("\ntimes        modelled\ncores        "))
    #expect(
      modelled.contains(
        " for 2 threads, how much longer they take for sharing them is not measured\n"))
    #expect(
      try line.run("explain @/plan.json \(file)").output.contains("\ntimes        measured "))
  }

  @Test func `what another cluster's plan takes is modelled, and no figure is marked`() throws {
    let line = try CommandLine()
    _ = try line.run("search tiny-gpt2 --devices 2 --layout megatron --tensor 2 --emit @/plan.json")
    let text = try line.run("explain @/plan.json").output
    #expect(text.contains("\ntimes        modelled\n"))
    #expect(!text.contains("(modelled)") && !text.contains("\ncores"))
    #expect(try line.run("explain @/plan.json --json").json()["cores"] is NSNull)
  }

  @Test func `what launching kernels takes has a source`() throws {
    let line = try CommandLine()
    _ = try line.run("search tiny-gpt2 --devices 1 --global-batch 1 --emit @/plan.json")
    let explained = try line.run("explain @/plan.json --json").json()
    let blocks = try #require(explained["blocks"] as? [[String: Any]])
    let parts = try blocks.map { try #require($0["seconds"] as? Double) }.reduce(0, +)
    let sources = try ["measured", "interpolated", "modelled"].map {
      try seconds(explained["sources"], $0)
    }.reduce(0, +)
    #expect(abs(sources - parts) <= 1e-9 * parts && parts > 0)
  }

  @Test func `a cluster file that is taken for this machine says so`() throws {
    let line = try CommandLine()
    let local = try line.run("clusters --json").json()["clusters"] as? [[String: Any]]
    var cluster = try #require(local?.first { $0["name"] as? String == "local" })
    cluster["name"] = "mine"
    let text = String(decoding: try JSONSerialization.data(withJSONObject: cluster), as: UTF8.self)
    try line.write(text, "mine.json")
    let audit = "audit tiny-gpt2 --devices 2 --cluster @/mine.json --megatron"
    let outcome = try line.run(
      words: audit.split(separator: " ").map(String.init) + ["--micro-batch-size 1"])
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect(outcome.error.contains("note: mine has shared_cores"))
  }
}
