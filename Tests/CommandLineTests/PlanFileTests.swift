import Foundation
import PlanIR
import Testing

@Suite struct PlanFileTests {
  private func plan(_ line: CommandLine) throws -> String {
    let outcome = try line.run(
      "search tiny-llama --devices 4 --layout megatron --tensor 2 --data 2 --zero 0 --sequence-parallel "
        + "--emit @/plan.json")
    #expect(outcome.code == 0)
    return try line.text("plan.json")
  }

  @Test(arguments: [
    "gpt2 --devices 8 --dropout 0.99 --pad-vocabulary 16777216 --memory unlimited",
    "gpt2 --devices 8 --global-batch 16777216", "llama-3-70b --devices 64",
    "tiny-gpt2 --devices 4 --layout megatron --tensor 1 --sequence-parallel",
    "tiny-gpt2 --devices 4 --zero 1", "tiny-llama --devices 6 --zero 2 --global-batch 12",
    "tiny-gpt2 --devices 4 --layout mixed --zero 2", "tiny-gpt2 --devices 1 --zero 1",
    "tiny-llama --devices 8 --tensor 8 --gathers-inputs again --gathers-weights again",
    "tiny-llama --devices 8 --tensor 2 --context 4 --context-attention ring",
    "qwen2.5-7b --devices 6 --global-batch 6 --cluster rtx5000-16gb --memory unlimited",
  ])
  func `what a search writes explain reads`(_ search: String) throws {
    let line = try CommandLine()
    #expect(try line.run("search \(search) --emit @/p.json").code == 0)
    let outcome = try line.run("explain @/p.json --against @/p.json --json")
    #expect(outcome.code == 0, "\(outcome.error)")
    let document = try outcome.json()
    #expect(document["schema"] as? String == "tpplan.explain/1")
    let against = try #require(document["against"] as? [String: Any])
    #expect(against["memory_bytes_more"] as? Int == 0)
  }

  @Test(arguments: [
    ("--context 4 --context-attention ring", true),
    ("--context 4 --context-attention all-to-all", false), ("--context 1", false),
  ])
  func `a plan names its attention over the context where it is a ring`(
    _ flags: String, _ isNamed: Bool
  ) throws {
    let line = try CommandLine()
    let outcome = try line.run("search tiny-gpt2 --devices 4 \(flags) --emit @/p.json --json")
    let plans = try #require(try outcome.json()["plans"] as? [[String: Any]])
    let found = plans.map { $0["context_attention"] as? String }
    #expect(!found.isEmpty && found.allSatisfy { $0 == (isNamed ? "ring" : nil) })
    let text = try line.text("p.json")
    #expect(text.contains(#""context_attention": "ring""#) == isNamed)
    let proof = try line.run("execute @/p.json --shrink --json")
    #expect(try proof.json()["valid"] as? Bool == true)
  }

  /// Edits of one key, by the text they replace and the key that the refusal must name.
  private static let edits: [(from: String, to: String, key: String)] = [
    (#""global_batch": 8,"#, #""global_batch": 16,"#, "global_batch"),
    (#""sequence": 32"#, #""sequence": 16"#, "$."),
    (#""hidden": 64"#, #""hidden": 128"#, "$."),
    (#""vocabulary": 500"#, #""vocabulary": 900"#, "$."),
    (#""key_value_heads": 2"#, #""key_value_heads": 3"#, "$."),
    (#""optimizer": "adamw","#, #""optimizer": "sgd","#, "$.predicted.memory"),
    (#""layout": "megatron""#, #""layout": "cubist""#, "layout"),
    (#""layout": "megatron""#, #""layout": "data""#, "$.choices.layout"),
    (#""megatron""#, #""data""#, "$."), (#""mlp": "megatron""#, #""mlp": "data""#, "layout"),
    (#""micro_batches": "#, #""micro_batches": 1"#, "global_batch"),
    (#""sequence_parallel": true"#, #""sequence_parallel": false"#, "$.predicted"),
    (#""sequence_parallel": true"#, #""sequence_parallel": 1"#, "sequence_parallel"),
    (#""sequence_parallel": true,"#, "", "sequence_parallel"),
    (#""matmul""#, #""context_attention": "ring", "matmul""#, "$.choices: ring attention"),
    (#""matmul""#, #""context_attention": "star", "matmul""#, "$.choices.context_attention"),
    (#""inside_node": 2"#, #""inside_node": 1"#, "placement"),
    (#""tensor": 2"#, #""tensor": 4"#, "degrees"), (#""none": 2"#, #""none": 1"#, "stages"),
    (#""full": 0"#, #""full": 7"#, "stages"), (#""full": 0"#, #""half": 0"#, "recompute"),
    (#""step_seconds": "#, #""step_seconds": -"#, "step_seconds"),
    (#""step_seconds": "#, #""step_seconds": 1"#, "$.predicted.step_seconds"),
    (
      #""model_flops_utilization": "#, #""model_flops_utilization": 1"#,
      "$.predicted.model_flops_utilization"
    ),
    (#""step_seconds": "#, #""steps": "#, "$.predicted"),
    (#""compute": "#, #""compute": 1"#, "$.predicted.breakdown.compute"),
    (#""bubble": "#, #""bubble": 1"#, "$.predicted.breakdown.bubble"),
    (#""exposed_seconds": "#, #""exposed_seconds": 1"#, "exposed_seconds"),
    (#""exposed_seconds": "#, #""exposed_seconds": -"#, "exposed_seconds"),
    (#""device_bytes": "#, #""device_bytes": 1"#, "device_bytes"),
    (#""total_bytes": "#, #""total_bytes": 1"#, "total_bytes"),
    (#""activations": "#, #""activations": 1"#, "activations"),
    (#""weights_over": []"#, #""weights_over": {}"#, "weights_over"),
    (
      #""weights_over": []"#, #""weights_over": ["data", "data"]"#,
      "$.choices.weights_over[1]: expected an axis of the mesh, once"
    ),
    (#""weights_over": []"#, #""weights_over": ["depth"]"#, "$.choices.weights_over[0]"),
    (
      #""recompute": "none""#, #""recompute": "mixed""#,
      #"$.choices.recompute: expected "none", as the stages have it"#
    ),
    (#""zero": 0"#, #""zero": 1"#, "$.predicted"), (#""zero": 0"#, #""zero": 2"#, "$.predicted"),
    (#""zero": 0"#, #""zero": 3"#, "weights_over"), (#""zero": 0"#, #""zero": 4"#, "zero"),
    (#""schema": "tpplan.plan/1""#, #""schema": "tpplan.plan/2""#, "schema"),
  ]

  @Test(arguments: edits.indices)
  func `a plan edited by hand is refused at the key`(_ index: Int) throws {
    let edit = Self.edits[index]
    let line = try CommandLine()
    let text = try plan(line)
    #expect(text.contains(edit.from), "\(edit.from)")
    // Later keys are those of `choices`, `predicted` and `workload`, not the model's own.
    try line.write(text.replacing(edit.from, with: edit.to), "edited.json")
    let outcome = try line.run("explain @/edited.json --json")
    #expect(outcome.code == 65, "\(edit): \(outcome.error)")
    #expect(outcome.error.contains("edited.json"))
    #expect(outcome.error.contains(edit.key), "\(edit): \(outcome.error)")
  }

  @Test(arguments: [1, 2])
  func `absurd rates of a cluster do not overflow: a step is too long`(_ stages: Int) throws {
    let line = try CommandLine()
    let search =
      "search tiny-llama --devices 4 --tensor 2 --pipeline \(stages) --context 1 --emit @/plan.json"
    #expect(try line.run(search).code == 0)
    let rate = try Regex(#""matmul_flops_(16|32)": [0-9.e+]+"#)
    let text = try line.text("plan.json").replacing(rate) { match in
      "\"matmul_flops_\(match.output[1].substring ?? "")\": 1"
    }
    try line.write(text, "slow.json")
    let outcome = try line.run("explain @/slow.json")
    #expect(outcome.code == 65 && outcome.error.contains("slow.json"), "\(outcome.error)")
    #expect(outcome.error.contains("a step lasts no more than 100 days"))
  }

  @Test(arguments: [1.0, 1e3, 1e6])
  func `bandwidths in other units than bytes a second end in a reason, not in an overflow`(
    _ unit: Double
  ) throws {
    let line = try CommandLine()
    let search = "search tiny-llama --devices 2 --emit @/plan.json"
    #expect(try line.run(search + " --cluster a100-sxm-80gb").code == 0)
    let plan = try JSONSerialization.jsonObject(with: Data(line.text("plan.json").utf8))
    var cluster = try #require((plan as? [String: Any])?["cluster"] as? [String: Any])
    var levels = try #require(cluster["levels"] as? [[String: Any]])
    for (index, rate) in [271, 22.5].enumerated() {
      levels[index]["bandwidth_bytes_per_second"] = rate * unit
    }
    cluster["levels"] = levels
    let text = try JSONSerialization.data(withJSONObject: cluster)
    try line.write(String(decoding: text, as: UTF8.self), "slow.json")
    for model in ["gpt2", "llama-3-8b"] {
      let outcome = try line.run("search \(model) --devices 16 --cluster @/slow.json --json")
      #expect(outcome.code == 0 || outcome.code == 1, "\(model): \(outcome.error)")
    }
  }

  @Test func `damaged plans never crash the program`() throws {
    let line = try CommandLine()
    let sample = Array(try plan(line).utf8)
    let seed = UInt64.random(in: 0 ... .max)
    let end = ContinuousClock.now + .seconds(5)
    var number: UInt64 = 0
    while ContinuousClock.now < end {
      number += 1
      let text = String(decoding: Self.damaged(sample, seed, number), as: UTF8.self)
      try line.write(text, "damaged.json")
      let outcome = try line.run("explain @/damaged.json")
      #expect([0, 1, 65].contains(outcome.code), "seed \(seed), case \(number): \(outcome.error)")
      if outcome.code != 0 { #expect(outcome.output.isEmpty) }
    }
  }

  private static func damaged(_ sample: [UInt8], _ seed: UInt64, _ number: UInt64) -> [UInt8] {
    let generator = CounterGenerator(seed: seed, name: "plan \(number)")
    var bytes = sample
    for step in 0..<UInt64(1 + number % 2) {
      let place = generator.integer(below: bytes.count, at: 3 * step)
      let choice = generator.integer(below: 4, at: 3 * step + 1)
      let byte = UInt8(generator.integer(below: 256, at: 3 * step + 2))
      switch choice {
      case 0: bytes[place] = byte
      case 1: bytes.removeSubrange(place...)
      case 2: bytes.insert(contentsOf: "9999".utf8, at: place)
      default: editNumber(&bytes, from: place, Int(byte))
      }
      if bytes.isEmpty { return bytes }
    }
    return bytes
  }

  private static func editNumber(_ bytes: inout [UInt8], from place: Int, _ choice: Int) {
    let isDigit = { (byte: UInt8) in byte >= 0x30 && byte <= 0x39 }
    guard let start = bytes[place...].firstIndex(where: isDigit) else { return }
    let end = bytes[start...].firstIndex { !isDigit($0) } ?? bytes.count
    let numbers = ["0", "1", "2", "3", "9223372036854775807", "1e308", "0.5", "4294967296", "-1"]
    bytes.replaceSubrange(start..<end, with: numbers[choice % numbers.count].utf8)
  }
}
