import Formats
import PlanIR
import Testing

@Suite("Refused Hugging Face configurations")
struct HuggingFaceRefusalTests {
  private static let llama: [(String, String)] = [
    ("model_type", "\"llama\""), ("hidden_size", "64"), ("intermediate_size", "96"),
    ("num_hidden_layers", "2"), ("num_attention_heads", "8"), ("num_key_value_heads", "4"),
    ("max_position_embeddings", "128"), ("vocab_size", "100"),
  ]
  private static let gpt2: [(String, String)] = [
    ("model_type", "\"gpt2\""), ("n_embd", "64"), ("n_head", "8"), ("n_layer", "2"),
    ("n_positions", "32"), ("vocab_size", "100"),
  ]

  /// The message for `base` with some fields replaced, added or, where empty, removed.
  private func message(
    _ base: [(String, String)], _ changes: [String: String]
  ) throws -> String {
    let kept = base.filter { changes[$0.0] == nil }
    let added = changes.filter { !$0.value.isEmpty }.map { ($0.key, $0.value) }
    let fields = (kept + added).map { "\"\($0.0)\": \($0.1)" }.joined(separator: ", ")
    let document = try JSONDocument(text: "{\(fields)}", file: "config.json")
    let error = #expect(throws: FormatError.self) {
      try HuggingFaceConfig.model(of: document.root, name: "m")
    }
    #expect(error?.exitCode == 65)
    return error?.description ?? ""
  }

  @Test(
    "A wrong field is told by its path",
    arguments: [
      ("model_type", "\"bert\"", "one of the supported architectures \"gpt2\", \"llama\", "),
      ("model_type", "3", "$.model_type: "), ("model_type", "", "the field \"model_type\""),
      ("hidden_size", "", "the field \"hidden_size\""),
      ("hidden_size", "0", "$.hidden_size: expected an integer from 1 to 16777216, found 0"),
      ("hidden_size", "\"64\"", "$.hidden_size: "), ("hidden_size", "1e30", "$.hidden_size: "),
      (
        "hidden_size", "68", "$.hidden_size: expected a multiple of num_attention_heads, which is 8"
      ),
      ("hidden_size", "72", "an even width of heads"),
      ("head_dim", "3", "$.head_dim: expected an even width"),
      ("head_dim", "16777216", "$.head_dim: expected an integer from 1 to 2097152"),
      ("num_key_value_heads", "3", "$.num_attention_heads: expected a multiple of "),
      ("num_key_value_heads", "16", "$.num_key_value_heads: expected an integer from 1 to 8"),
      ("num_hidden_layers", "1000000", "$.num_hidden_layers: "),
      ("rms_norm_eps", "-1", "$.rms_norm_eps: "), ("hidden_act", "\"mish\"", "$.hidden_act: "),
      ("tie_word_embeddings", "1", "$.tie_word_embeddings: expected true or false"),
      ("rope_theta", "0", "$.rope_theta: "), ("partial_rotary_factor", "0.5", "$.partial_rotary"),
      ("rope_scaling", "{\"type\": \"longrope\"}", "$.rope_scaling.type: expected one of "),
      ("rope_scaling", "{\"factor\": 2}", "$.rope_scaling: expected the field \"rope_type\""),
      ("rope_scaling", "{\"type\": \"linear\"}", "$.rope_scaling: expected the field \"factor\""),
      ("rope_scaling", "{\"type\": \"linear\", \"factor\": 0}", "$.rope_scaling.factor: "),
      ("rope_scaling", "[]", "$.rope_scaling: expected an object"),
      ("rope_parameters", "{\"full_attention\": {}}", "$.rope_parameters: "),
      ("architectures", "[\"LlamaForSequenceClassification\"]", "$.architectures[0]: expected "),
    ])
  func llama(field: String, value: String, expected: String) throws {
    let text = try message(Self.llama, [field: value])
    #expect(text.contains(expected), "\(text)")
    #expect(text.hasPrefix("config.json: at $"), "\(text)")
  }

  @Test(
    "GPT-2 variants that compute something else are refused",
    arguments: [
      ("scale_attn_by_inverse_layer_idx", "true", "all layers must compute the same"),
      ("add_cross_attention", "true", "no encoder"),
      ("n_head", "7", "$.n_embd: expected a multiple of n_head, which is 7, found 64"),
      ("n_inner", "0", "$.n_inner: "), ("n_embd", "", "the field \"n_embd\""),
      ("activation_function", "\"tanh\"", "$.activation_function: expected one of \"gelu_new\""),
      ("n_layer", "1.5", "$.n_layer: "),
    ])
  func gpt2(field: String, value: String, expected: String) throws {
    let text = try message(Self.gpt2, [field: value])
    #expect(text.contains(expected), "\(text)")
  }

  @Test("Products of sizes may not grow without bounds")
  func overflow() throws {
    let size = "16777216"
    let text = try message(Self.gpt2, ["n_embd": size, "vocab_size": size, "n_inner": size])
    #expect(text.contains("at most 2^44 parameters"), "\(text)")
  }

  @Test("Windows in some layers only are refused where they matter")
  func mixedWindows() throws {
    let common = [
      "model_type": "\"qwen2\"", "use_sliding_window": "true", "sliding_window": "16",
    ]
    let some = try message(Self.llama, common.merging(["max_window_layers": "1"]) { $1 })
    #expect(some.contains("$.max_window_layers: expected 0 or at least num_hidden_layers"))
    let types = "[\"full_attention\", \"sliding_attention\"]"
    let listed = try message(Self.llama, common.merging(["layer_types": types]) { $1 })
    #expect(listed.contains("$.layer_types: expected layers that are all alike"))
  }
}
