import Foundation
import Testing

@Suite struct ExplainAgainstTests {
  /// Two plan files, of searches with `first` and `second`.
  private func plans(_ first: String, _ second: String) throws -> CommandLine {
    let line = try CommandLine()
    for (name, flags) in [("a", first), ("b", second)] {
      let outcome = try line.run("search \(flags) --top 1 --emit @/\(name).json")
      #expect(outcome.code == 0, "\(outcome.error)")
    }
    return line
  }

  private static let pairs = [
    ("tiny-llama --devices 4 --layout data", "tiny-llama --devices 4 --layout megatron --tensor 4"),
    (
      "gpt2-large --devices 32 --layout data --memory unlimited",
      "gpt2-large --devices 32 --layout megatron --tensor 4"
    ),
    (
      "gpt3-175b --devices 512 --layout megatron --pipeline 8 --tensor 8",
      "gpt3-175b --devices 512 --layout megatron --pipeline 16 --tensor 4"
    ),
  ]

  private static let keys: Set<String> = [
    "quantity", "level", "unit", "present", "flips_at", "direction", "then",
  ]

  @Test(arguments: pairs.indices)
  func `a comparison says until where the choice holds`(_ index: Int) throws {
    let line = try plans(Self.pairs[index].0, Self.pairs[index].1)
    let document = try line.run("explain @/a.json --against @/b.json --json").json()
    let against = try #require(document["against"] as? [String: Any])
    let more = try #require(against["step_seconds_more"] as? Double)
    let entries = try #require(against["thresholds"] as? [[String: Any]])
    for entry in entries {
      #expect(Set(entry.keys) == Self.keys)
      let present = try #require(entry["present"] as? Double)
      let flipsAt = try #require(entry["flips_at"] as? Double)
      #expect(entry["direction"] as? String == (flipsAt < present ? "below" : "above"))
      #expect(entry["then"] as? String == (more > 0 ? "other" : "plan"))
    }
    let held = try #require(against["holds_whatever"] as? [[String: Any]])
    let named = Set(
      (entries + held).map { entry in
        "\(entry["quantity"] ?? "") \(entry["level"] as? String ?? "")"
      }
    ).subtracting(["memory "])
    let peak = index == 0 ? "matmul_flops_32 " : "matmul_flops_16 "
    #expect(
      named == [
        "bandwidth nvlink", "bandwidth infiniband", "latency nvlink", "latency infiniband",
        "memory_bandwidth ", peak,
      ])
    #expect(against["thresholds_refusal"] is NSNull)
    #expect(Set((against["fits"] as? [String: Bool] ?? [:]).keys) == ["plan", "other"])
    let text = try line.run("explain @/a.json --against @/b.json").output
    let lines = text.split(separator: "\n").count { $0.contains("wins until") }
    #expect(lines == entries.count)
    #expect(text.contains("wins whatever") == !held.isEmpty)
  }

  @Test func `a plan that does not fit is named`() throws {
    let line = try plans(
      "gpt3-175b --devices 64 --layout megatron --tensor 8 --pipeline 1 --memory unlimited",
      "gpt3-175b --devices 64 --layout megatron --tensor 8 --pipeline 8")
    let outcome = try line.run("explain @/a.json --against @/b.json --json")
    let against = try #require(try outcome.json()["against"] as? [String: Any])
    #expect(against["fits"] as? [String: Bool] == ["plan": false, "other": true])
    let text = try line.run("explain @/a.json --against @/b.json").output
    #expect(text.contains("this plan does not fit: it needs "))
    #expect(!text.contains("the other does not fit"))
  }

  @Test(arguments: [
    ("tiny-gpt2 --devices 2", "tiny-gpt2 --devices 2", "the same"),
    ("tiny-gpt2 --devices 2", "tiny-llama --devices 2", "models"),
    ("tiny-gpt2 --devices 2", "tiny-gpt2 --devices 2 --global-batch 4", "workloads"),
    ("tiny-gpt2 --devices 2", "tiny-gpt2 --devices 2 --cluster a100-sxm-40gb", "clusters"),
  ])
  func `without thresholds a comparison says why`(
    _ first: String, _ second: String, _ why: String
  ) throws {
    let line = try plans(first, second)
    let outcome = try line.run("explain @/a.json --against @/b.json --json")
    let against = try #require(try outcome.json()["against"] as? [String: Any])
    #expect((against["thresholds"] as? [Any])?.isEmpty == true)
    #expect((against["holds_whatever"] as? [Any])?.isEmpty == true)
    let refusal = try #require(against["thresholds_refusal"] as? String)
    #expect(refusal.contains(why))
    let text = try line.run("explain @/a.json --against @/b.json").output
    #expect(text.contains("no thresholds: \(refusal)"))
  }
}
