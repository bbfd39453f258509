import Foundation
import Testing

@Suite struct SearchAnswerTests {
  private static let searches = [
    "tiny-gpt2 --devices 4", "tiny-llama --devices 8 --top 100", "tiny-gpt2 --devices 7",
    "tiny-gpt2 --devices 4 --memory 1", "tiny-gpt2 --devices 1 --pareto",
    "llama-2-70b --devices 1024", "gpt3-175b --devices 24 --memory 80GB --top 1",
    "gpt2 --devices 48 --global-batch 97", "gpt2-xl --devices 12 --objective memory",
    "mistral-7b --devices 64 --sequence 1 --precision bf16 --optimizer sgd",
    "tiny-gpt2 --devices 4 --sequence 65", "gpt2 --devices 1000 --exhaustive",
    "qwen2.5-7b --devices 8 --cluster a100-sxm-40gb --attention unfused --dropout 0.1",
    "megatron-1t --devices 16777216 --global-batch 16777216 --attention unfused",
    "qwen2.5-7b --devices 65536 --global-batch 65536 --sequence 131072 --layout data --top 1",
    "gpt3-175b --devices 1 --global-batch 16777216 --memory unlimited",
  ]

  @Test(arguments: searches)
  func `an answer is one document whose sums add up`(_ search: String) throws {
    let outcome = try CommandLine().run("search \(search) --json")
    let document = try outcome.json()
    let plans = try #require(document["plans"] as? [[String: Any]])
    #expect(outcome.code == (plans.isEmpty ? 1 : 0), "\(outcome.error)")
    let space = try #require(document["space"] as? [String: Int])
    let parts = ["evaluated", "pruned", "infeasible"].compactMap { space[$0] }
    #expect(parts.count == 3 && parts.reduce(0, +) == space["candidates"])
    #expect(plans.compactMap { $0["rank"] as? Int } == Array(plans.indices.map { $0 + 1 }))
    for plan in plans { try check(plan, document) }
    guard plans.isEmpty else { return }
    let reasons = try #require(document["reasons"] as? [[String: String]])
    #expect(!reasons.isEmpty)
    for reason in reasons {
      #expect(Set(reason.keys) == ["constraint", "found", "needed", "try"])
    }
    #expect(document.keys.contains("nearest"))
  }

  private static let planKeys: Set<String> = [
    "rank", "layout", "blocks", "mesh", "placement", "degrees", "sequence_parallel", "gathers",
    "matmul", "table", "key_value", "weights_over", "micro_batch", "micro_batches", "schedule",
    "interleave", "zero", "recompute", "stages", "step_seconds", "model_flops_utilization",
    "breakdown", "memory", "communication",
  ]

  private func check(_ plan: [String: Any], _ document: [String: Any]) throws {
    // Named where it is a ring.
    #expect(Set(plan.keys).subtracting(["context_attention"]) == Self.planKeys)
    #expect((plan["blocks"] as? [String: String])?.count == 4)
    let breakdown = try #require(plan["breakdown"] as? [String: Double])
    let step = try #require(plan["step_seconds"] as? Double)
    #expect(abs(breakdown.values.reduce(0, +) - step) <= 1e-9 * step)
    let memory = try #require(plan["memory"] as? [String: Int])
    #expect(memory.filter { $0.key != "total" }.values.reduce(0, +) == memory["total"])
    let cluster = try #require(document["cluster"] as? [String: Any])
    let devices = try #require(cluster["devices"] as? Int)
    let degrees = try #require(plan["degrees"] as? [String: Int])
    #expect(degrees.values.reduce(1, *) == devices)
    let workload = try #require(document["workload"] as? [String: Any])
    let batches = [plan["micro_batch"], plan["micro_batches"], degrees["data"]]
    #expect(batches.compactMap { $0 as? Int }.reduce(1, *) == workload["global_batch"] as? Int)
    for entry in try #require(plan["communication"] as? [[String: Any]]) {
      let total = try #require(entry["total_bytes"] as? Int)
      let each = try #require(entry["device_bytes"] as? Double)
      #expect(total > 0 && abs(each * Double(devices) - Double(total)) <= 1e-9 * Double(total))
    }
  }

  @Test(arguments: [
    ("--sequence-parallel", "sequence_parallel"),
    ("--sequence-parallel --tensor 1", "sequence_parallel"),
  ])
  func `every plan keeps a pinned flag`(_ flags: String, _ key: String) throws {
    let document = try CommandLine().run("search tiny-gpt2 --devices 4 --json \(flags)").json()
    let plans = try #require(document["plans"] as? [[String: Any]])
    #expect(!plans.isEmpty && plans.allSatisfy { $0[key] as? Bool == true })
  }

  @Test(arguments: ["inputs", "weights"], ["saved", "again"])
  func `every plan keeps a pinned gather`(_ what: String, _ choice: String) throws {
    let flags = "--gathers-\(what) \(choice)"
    let document = try CommandLine().run("search tiny-gpt2 --devices 4 --json \(flags)").json()
    let plans = try #require(document["plans"] as? [[String: Any]])
    #expect(!plans.isEmpty)
    #expect(plans.allSatisfy { ($0["gathers"] as? [String: String])?[what] == choice })
  }

  @Test(arguments: [
    ("tiny-gpt2 --devices 7", "--devices 6"),
    ("tiny-gpt2 --devices 12 --pipeline 1 --context 1", "--devices 8"),
    ("gpt2-xl --devices 48 --global-batch 97 --pipeline 1 --context 1", "--global-batch 96"),
    ("tiny-gpt2 --devices 4 --micro-batch 3", "--global-batch 9"),
    ("tiny-gpt2 --devices 4 --data 4 --global-batch 7", "--global-batch 8"),
    ("gpt2 --devices 16777213", "--devices"),
  ])
  func `where nothing divides what is nearest is named and works`(
    _ search: String, _ advice: String
  ) throws {
    let line = try CommandLine()
    let document = try line.run("search \(search) --json").json()
    let reasons = try #require(document["reasons"] as? [[String: String]])
    let nearest = reasons.filter {
      $0["constraint"]?.hasSuffix("that divide") == true
        || $0["constraint"]?.hasSuffix("that divides") == true
    }.compactMap { $0["try"] }
    let all = reasons.map { $0["constraint"] ?? "" }
    #expect(nearest.contains { $0.hasPrefix(advice) }, "\(nearest) \(all)")
    for advice in nearest {
      let words = advice.split(separator: " ").map(String.init)
      var fixed = search.split(separator: " ").map(String.init)
      if let place = fixed.firstIndex(of: words[0]) { fixed.removeSubrange(place...place + 1) }
      let command = "search \((fixed + words).joined(separator: " ")) --memory unlimited"
      #expect(try line.run(command).code == 0, "\(command)")
    }
  }

  @Test func `equal searches give equal files and equal answers in three processes`() throws {
    let line = try CommandLine()
    var files: Set<String> = []
    var answers: Set<String> = []
    for number in 0..<3 {
      let outcome = try line.run(
        "search gpt2 --devices 24 --json --emit @/p\(number).json")
      files.insert(try line.text("p\(number).json"))
      let lines = outcome.output.split(separator: "\n")
      #expect(lines.count { $0.contains("\"elapsed_seconds\"") } == 1)
      answers.insert(
        lines.filter { !$0.contains("\"elapsed_seconds\"") }.joined(separator: "\n"))
    }
    #expect(files.count == 1 && answers.count == 1)
    #expect(files.first?.hasSuffix("}\n") == true)
  }

  @Test(arguments: [
    "execute @/p.json --trace @/no/x", "calibrate --cluster cuda", "explain @/none.json",
  ])
  func `what fails is one document, too`(_ command: String) throws {
    let line = try CommandLine()
    _ = try line.run("search tiny-gpt2 --devices 2 --emit @/p.json")
    let outcome = try line.run(command + " --json")
    let document = try outcome.json()
    let error = try #require(document["error"] as? [String: Any])
    #expect(error["exit_code"] as? Int == Int(outcome.code))
    let message = try #require(error["message"] as? String)
    #expect(outcome.error == "tpplan: \(message)\n")
  }
}
