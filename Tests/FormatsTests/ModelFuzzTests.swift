import Formats
import Foundation
import PlanIR
import Testing

/// Feeds changed models and clusters to the readers, which must return or throw, never trap; what
/// they accept must make graphs and come back from its text.
///
/// `TPPLAN_FUZZ_SECONDS` sets how long (3), `TPPLAN_FUZZ_SEED` repeats a run.
@Suite("Changed models never trap", .serialized)
struct ModelFuzzTests {
  private let seconds = Double(setting("TPPLAN_FUZZ_SECONDS") ?? "") ?? 3
  private let seed = UInt64(setting("TPPLAN_FUZZ_SEED") ?? "") ?? UInt64.random(in: 0 ... .max)

  private static func setting(_ name: String) -> String? {
    ProcessInfo.processInfo.environment[name]
  }

  @Test("Hugging Face configurations")
  func huggingFace() throws {
    let rope = """
      {"model_type": "qwen3", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
       "num_attention_heads": 8, "num_key_value_heads": 4, "max_position_embeddings": 128,
       "vocab_size": 100, "head_dim": 16, "use_sliding_window": true, "max_window_layers": 0,
       "sliding_window": 8, "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "beta_fast": 32,
       "original_max_position_embeddings": 64}, "rope_theta": 10000.0}
      """
    try fuzz("configurations", [TinyModels.gpt2, TinyModels.llama, rope]) { root in
      try check(HuggingFaceConfig.model(of: root, name: "m"))
    }
  }

  @Test("Native models")
  func native() throws {
    let samples = try ["tiny-gpt2", "tiny-llama"].map { try ShippedData.text("models/\($0).json") }
    let example = NativeModel.value(of: try TinyModels.example()).canonicalText
    try fuzz("native models", samples + [example]) { root in
      try check(NativeModel.model(of: root))
    }
  }

  @Test("Clusters")
  func clusters() throws {
    let names = ["h100-sxm", "local"]
    let samples = try names.map { try ShippedData.text("models/clusters/\($0).json") }
    try fuzz("clusters", samples) { root in
      let cluster = try ClusterFile.cluster(of: root)
      let text = ClusterFile.value(of: cluster).canonicalText
      #expect(
        try ClusterFile.cluster(of: JSONDocument(text: text, file: "c").root) == cluster)
    }
  }

  private func check(_ model: Model) throws {
    let text = NativeModel.value(of: model).canonicalText
    #expect(try NativeModel.model(of: JSONDocument(text: text, file: "m").root) == model)
    #expect(model.parameterCount > 0 && model.matmulWeightCount >= 0)
    var workload = WorkloadOverrides().resolved(for: model)
    workload.attention = .unfused
    let chain = try GraphBuilder.chain(of: model, workload: workload)
    #expect(chain.last?.blocks.last?.loss != nil)
  }

  private func fuzz(
    _ name: String, _ samples: [String], _ body: (JSONNode) throws -> Void
  ) throws {
    print("fuzz: \(name) with TPPLAN_FUZZ_SEED=\(seed)")
    let values = try samples.map { try JSONDocument(text: $0, file: "f").root.value }
    let end = ContinuousClock.now + .seconds(seconds / 3)
    var (number, accepted) = (UInt64(0), 0)
    repeat {
      var mutator = JSONMutator(seed: seed, number: number)
      let value = mutator.changed(values[Int(number % UInt64(values.count))])
      do {
        try body(JSONNode(value, file: "f"))
        accepted += 1
      } catch let error as FormatError {
        #expect(error.exitCode == 65, "case \(number): \(error)")
      } catch {
        Issue.record("case \(number): \(error)")
      }
      number += 1
    } while ContinuousClock.now < end
    print("fuzz: \(name): \(number) cases, \(accepted) accepted")
  }
}
