import Foundation
import Testing

/// `explain --runners-up`: what the best plans of other kinds take more, and one sentence why.
@Suite struct RunnersUpCommandTests {
  private static let search =
    "tiny-gpt2 --devices 4 --global-batch 4 --layout megatron --tensor 2 --pipeline 1"
  private static let kinds: Set<String> = [
    "layout", "pipeline", "context", "data", "micro_batch", "schedule", "recompute", "zero",
    "sequence_parallel",
  ]
  private static let parts = [
    "compute": "compute", "communication_exposed": "exposed communication", "bubble": "bubble",
    "optimizer": "optimizer",
  ]

  private func planned() throws -> CommandLine {
    let line = try CommandLine()
    let outcome = try line.run("search \(Self.search) --top 1 --emit @/p.json")
    #expect(outcome.code == 0, "\(outcome.error)")
    return line
  }

  @Test func `the sentence names the next layout and the part by which it loses most`() throws {
    let line = try planned()
    let document = try line.run("explain @/p.json --runners-up --json").json()
    let others = try #require(document["runners_up"] as? [[String: Any]])
    let decisions = others.compactMap { $0["decision"] as? String }
    #expect(Set(decisions).isSubset(of: Self.kinds) && Set(decisions).count == others.count)
    let layout = try #require(others.first)
    #expect(layout["decision"] as? String == "layout" && layout["fits"] as? Bool == true)
    let name = try #require((layout["plan"] as? [String: Any])?["layout"] as? String)
    let more = try #require(layout["step_seconds_more"] as? Double)
    let parts = try #require(layout["breakdown_more"] as? [String: Double])
    #expect(abs(parts.values.reduce(0, +) - more) < 1e-9)
    let plan = try #require(document["plan"] as? [String: Any])
    let step = try #require(plan["step_seconds"] as? Double)
    let largest = try #require(
      more < 0 ? parts.min { $0.value < $1.value } : parts.max { $0.value < $1.value })
    let share = String(format: "%.1f %%", abs(more) / step * 100)
    let why = try #require(document["why"] as? String)
    #expect(why.hasPrefix("megatron over 2 of a node's devices"), "\(why)")
    #expect(why.contains(": the next layout, \(name)"), "\(why)")
    let verdict = "takes \(share) \(more < 0 ? "less" : "longer"), for "
    #expect(why.hasSuffix(verdict + (Self.parts[largest.key] ?? "")), "\(why)")
  }

  @Test(arguments: [(0, "8 replicas: "), (1, "2 copies of what 4 replicas share: ")])
  func `hybrid sharding is told as copies of what replicas share`(
    zero: Int, told: String
  ) throws {
    let line = try CommandLine()
    let search = "search tiny-gpt2 --devices 8 --layout tesseract --mesh 1x1x2 --pipeline 1 "
    #expect(try line.run(search + "--zero \(zero) --context 1 --emit @/h.json").code == 0)
    let document = try line.run("explain @/h.json --runners-up --json").json()
    let why = try #require(document["why"] as? String)
    #expect(why.hasPrefix(told), "\(why)")
  }

  @Test func `one line a kind, and only those that are asked for`() throws {
    let line = try planned()
    let all = try line.run("explain @/p.json --runners-up").output
    for kind in ["layout", "number of stages", "number of replicas", "micro-batch", "sharding"] {
      #expect(all.components(separatedBy: "\n\(kind) ").count == 2, "\(kind): \(all)")
    }
    let some = try line.run(
      "explain @/p.json --runners-up --decision micro-batch --decision layout --json")
    let others = try #require(try some.json()["runners_up"] as? [[String: Any]])
    #expect(others.compactMap { $0["decision"] as? String } == ["layout", "micro_batch"])
    #expect(try line.run("explain @/p.json --decision layout").code == 64)
    #expect(try line.run("explain @/p.json --json").json()["runners_up"] == nil)
  }
}
