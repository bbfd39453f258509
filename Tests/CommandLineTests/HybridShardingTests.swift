import Foundation
import TestSupport
import Testing

/// FSDP that shards over some data ranks and copies over the others, as `audit` prices it.
@Suite struct HybridShardingTests {
  private static let second = #""fsdp_config":{"fsdp_version":2,"fsdp_reshard_after_forward":true}"#

  /// What a launch of gpt2-xl on H100s, eight a node, of the configuration `text` is told.
  private func audit(
    _ text: String, devices: Int = 16, memory: String = "unlimited"
  ) throws -> CommandLine.Outcome {
    let line = try CommandLine()
    try line.write(text, "f.yaml")
    return try line.run(
      "audit gpt2-xl --devices \(devices) --fsdp @/f.yaml --micro-batch 2 --global-batch 256 "
        + "--cluster h100-sxm --memory \(memory) --layout data --json")
  }

  private func strategy(_ name: String) -> String {
    "mixed_precision: bf16\nfsdp_config:\n  fsdp_sharding_strategy: \(name)\n"
  }

  /// FSDP 2 on accelerate's mesh.
  private func mesh(_ copies: Int, _ shards: Int, tensor: Int = 1) -> String {
    let sizes = [("dp_replicate", copies), ("dp_shard", shards), ("tp", tensor)]
      .map { #""parallelism_config_\#($0.0)_size":\#($0.1)"# }.joined(separator: ",")
    return #"{"mixed_precision":"bf16",\#(Self.second),"parallelism_config":{\#(sizes)}}"#
  }

  /// Seconds of a step, and bytes of a device.
  private func priced(_ text: String, devices: Int = 16) throws -> (step: Double, memory: Double) {
    let outcome = try audit(text, devices: devices)
    #expect(outcome.code == 0, "\(outcome.error)")
    let present = try #require(try outcome.json()["present"] as? [String: Any])
    let memory = try #require(present["memory"] as? [String: Any])
    return (
      try #require(present["step_seconds"] as? Double), try #require(memory["total"] as? Double)
    )
  }

  @Test func `a copy on each node lies between what all share and what none does`() throws {
    let (full, none) = (try priced(strategy("FULL_SHARD")), try priced(strategy("NO_SHARD")))
    let hybrid = try priced(strategy("HYBRID_SHARD"))
    #expect(full.memory < hybrid.memory && hybrid.memory < none.memory)
    // Weights are gathered inside a node.
    #expect(hybrid.step < full.step)
    let gradients = try priced(strategy("HYBRID_SHARD_ZERO2"))
    #expect(hybrid.memory < gradients.memory && gradients.memory < none.memory)
  }

  @Test func `copies are told alike by a strategy and by a mesh, and are one on one node`() throws {
    #expect(try priced(strategy("HYBRID_SHARD")) == priced(mesh(2, 8)))
    #expect(try priced(strategy("HYBRID_SHARD")) != priced(mesh(4, 4)))
    #expect(try priced(mesh(1, 16)) == priced(strategy("FULL_SHARD")))
    let one = try priced(strategy("HYBRID_SHARD"), devices: 8)
    #expect(try one == priced(strategy("FULL_SHARD"), devices: 8))
  }

  @Test(arguments: [true, false])
  func `a launch that gathers weights across nodes is offered copies, in its own words`(
    _ isSecond: Bool
  ) throws {
    let text =
      isSecond ? #"{"mixed_precision":"bf16",\#(Self.second)}"# : strategy("FULL_SHARD")
    let words = isSecond ? "dp_replicate_size 2, dp_shard_size 8" : "HYBRID_SHARD"
    let document = try audit(text, memory: "20GiB").json()
    let changes = try #require(document["changes"] as? [[String: Any]])
    let knob = isSecond ? "copies" : "zero"
    let change = try #require(changes.first { $0["knob"] as? String == knob })
    #expect(change["to"] as? String == words)
    let plan = try #require(change["plan"] as? [String: Any])
    let step = try priced(isSecond ? mesh(2, 8) : strategy("HYBRID_SHARD")).step
    #expect(plan["step_seconds"] as? Double == step)
    let advice = try #require(document["advice"] as? [[String: Any]])
    #expect(advice.contains { ($0["text"] as? String)?.contains("across nodes") == true })
  }

  @Test func `no change is from a word to the same word`() throws {
    let old = mesh(2, 8).replacing("\"fsdp_version\":2", with: "\"fsdp_version\":1")
    for text in [old, mesh(2, 8), strategy("HYBRID_SHARD"), strategy("SHARD_GRAD_OP")] {
      let document = try audit(text, memory: "20GiB").json()
      let changes = try #require(document["changes"] as? [[String: Any]])
      let path = try #require(document["path"] as? [[String: Any]])
      #expect(!changes.isEmpty)
      for change in changes + path {
        #expect(change["from"] as? String != change["to"] as? String, "\(change)")
      }
    }
  }

  @Test(arguments: [true, false])
  func `copies that cannot be are an answer of no, with the reason`(_ hasTensor: Bool) throws {
    let outcome =
      hasTensor
      ? try audit(mesh(2, 4, tensor: 5), devices: 40)
      : try audit(strategy("HYBRID_SHARD"), devices: 12)
    #expect(outcome.code == 1, "\(outcome.error)")
    let reasons = try #require(try outcome.json()["reasons"] as? [[String: String]])
    let names = hasTensor ? "copies of shards beside a tensor degree" : "those of a node"
    #expect(reasons.contains { $0["constraint"]?.contains(names) == true }, "\(reasons)")
  }
}
