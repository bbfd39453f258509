import Formats
import PlanIR
import Testing

@Suite("Hugging Face configurations")
struct HuggingFaceConfigTests {
  private static let llama = """
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
    "num_attention_heads": 8, "max_position_embeddings": 128, "vocab_size": 100
    """

  private func model(_ type: String, _ fields: String = "") throws -> Model {
    let base = type == "gpt2" ? Self.gpt2 : Self.llama
    let text = "{\"model_type\": \"\(type)\", \(base)\(fields.isEmpty ? "" : ", ")\(fields)}"
    return try HuggingFaceConfig.model(
      of: JSONDocument(text: text, file: "config.json").root, name: "m")
  }

  private static let gpt2 = """
    "n_embd": 64, "n_head": 8, "n_layer": 2, "n_positions": 32, "vocab_size": 100
    """

  private func attention(of model: Model) -> AttentionSettings? {
    for operation in model.segments[1].blocks[0].operations {
      if case .attention(let settings) = operation.kind { return settings }
    }
    return nil
  }

  private func rotary(of model: Model) -> RotarySettings? {
    for operation in model.segments[1].blocks[0].operations {
      if case .rotary(let settings) = operation.kind { return settings }
    }
    return nil
  }

  private func parameters(_ model: Model, block: Int) -> [String] {
    model.segments[1].blocks[block].parameters.map(\.name)
  }

  @Test("GPT-2's fused projection is three parameters, in the checkpoint's order")
  func gpt2Projection() throws {
    let block = try model("gpt2").segments[1].blocks[0]
    let key = try #require(block.parameters.first { $0.name == "key.weight" })
    #expect(key.dimensions == [.hidden, .keyValueHeads, .headWidth])
    #expect(key.checkpoint.tensorName(layer: 3) == "transformer.h.3.attn.c_attn.weight")
    #expect(key.checkpoint.part == .init(axis: 1, offset: 64, total: 192))
    let bias = try #require(block.parameters.first { $0.name == "value.bias" })
    #expect(bias.dimensions == [.keyValueHeads, .headWidth])
    #expect(bias.checkpoint.part == .init(axis: 0, offset: 128, total: 192))
    #expect(key.initial.deviation == 0.125)
    #expect(bias.initial == .bias)
  }

  @Test("GPT-2's options are read")
  func gpt2Options() throws {
    let plain = try model("gpt2")
    #expect(plain.sizes[.wide] == 256)
    #expect(plain.segments[2].blocks[0].borrowed == ["embedding/table"])
    #expect(attention(of: plain)?.scale == 1 / 8.0.squareRoot())
    let changed = try model(
      "gpt2",
      """
      "n_inner": 100, "tie_word_embeddings": false, "scale_attn_weights": false,
      "activation_function": "relu", "layer_norm_epsilon": 1e-6, "resid_pdrop": 0.1
      """)
    #expect(changed.sizes[.wide] == 100)
    #expect(changed.parameterCount == plain.parameterCount - 2 * (156 * 129) + 100 * 64)
    #expect(changed.segments[2].blocks[0].parameters.last?.checkpoint.tensor == "lm_head.weight")
    #expect(attention(of: changed)?.scale == 1)
    #expect(changed.segments[1].blocks[1].operations[2].kind == .activation(.relu))
  }

  @Test("Llama's weights are as PyTorch's linears store them")
  func llamaProjection() throws {
    let model = try model("llama", "\"num_key_value_heads\": 2, \"head_dim\": 16")
    let block = model.segments[1].blocks[0]
    let key = try #require(block.parameters.first { $0.name == "key.weight" })
    #expect(key.dimensions == [.keyValueHeads, .headWidth, .hidden])
    #expect(key.checkpoint == CheckpointSlice("model.layers.{layer}.self_attn.k_proj.weight"))
    #expect(model.sizes.shape(of: key.dimensions) == [2, 16, 64])
    #expect(attention(of: model)?.scale == 0.25)
    #expect(model.maximumSequence == 128)
  }

  @Test("Each family has its biases")
  func biases() throws {
    func biases(_ type: String, _ fields: String = "") throws -> [String] {
      let model = try model(type, "\"num_key_value_heads\": 4, " + fields)
      return (parameters(model, block: 0) + parameters(model, block: 1))
        .filter { $0.hasSuffix("bias") }
    }
    let stated = "\"attention_bias\": true, \"mlp_bias\": true"
    let projections = ["query.bias", "key.bias", "value.bias"]
    let mlp = ["gate.bias", "up.bias", "down.bias"]
    #expect(try biases("llama", "\"x\": 1") == [])
    #expect(try biases("llama", stated) == projections + ["output.bias"] + mlp)
    #expect(try biases("mistral", stated) == [])
    #expect(try biases("qwen2", stated) == projections)
    #expect(try biases("qwen3", stated) == projections + ["output.bias"])
  }

  @Test("Qwen3 normalises heads before it rotates them, and has heads of 128 by itself")
  func qwen3() throws {
    let model = try model("qwen3", "\"num_key_value_heads\": 4")
    #expect(model.sizes[.headWidth] == 128)
    let names = model.segments[1].blocks[0].operations.map(\.output)
    #expect(
      names == [
        "norm", "query", "key", "value", "query.norm", "query.rotated", "key.norm", "key.rotated",
        "context", "projected", "output",
      ])
  }

  @Test("Missing fields take the configuration class's defaults, null its meaning")
  func defaults() throws {
    #expect(try model("llama").sizes[.keyValueHeads] == 8)
    #expect(try model("mistral", "\"num_key_value_heads\": null").sizes[.keyValueHeads] == 8)
    #expect(rotary(of: try model("llama"))?.theta == 10_000)
    #expect(attention(of: try model("mistral"))?.window == 4096)
    #expect(attention(of: try model("mistral", "\"sliding_window\": null"))?.window == nil)
    #expect(attention(of: try model("mistral", "\"sliding_window\": 16"))?.window == 16)
    #expect(
      try model("llama", "\"tie_word_embeddings\": true").parameterCount
        == model("llama").parameterCount - 6400)
  }

  @Test("Qwen's windows are read where they are used, in all layers or none")
  func windows() throws {
    func window(_ fields: String) throws -> Int? {
      let model = try model(
        "qwen2", "\"num_key_value_heads\": 4, \"sliding_window\": 16, " + fields)
      return attention(of: model)?.window
    }
    #expect(try window("\"use_sliding_window\": false") == nil)
    #expect(try window("\"use_sliding_window\": true, \"max_window_layers\": 2") == nil)
    #expect(try window("\"use_sliding_window\": true, \"max_window_layers\": 0") == 16)
    let types = "[\"sliding_attention\", \"sliding_attention\"]"
    #expect(try window("\"use_sliding_window\": true, \"layer_types\": \(types)") == 16)
  }

  @Test(
    "Rotary scalings are read, old and new",
    arguments: [
      ("\"rope_scaling\": null", RotarySettings.Scaling.none),
      ("\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}", .linear(factor: 2)),
      ("\"rope_scaling\": {\"rope_type\": \"dynamic\", \"factor\": 2}", .none),
      (
        """
        "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
          "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
        """,
        .llama3(
          factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 64)
      ),
      (
        "\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 1.0}",
        .yarn(
          factor: 1, betaFast: 32, betaSlow: 1, originalPositions: 128, attentionFactor: 1)
      ),
      (
        """
        "rope_parameters": {"rope_type": "yarn", "rope_theta": 500.0, "factor": 4.0,
          "beta_fast": 16, "original_max_position_embeddings": 32, "attention_factor": 1.5}
        """,
        .yarn(
          factor: 4, betaFast: 16, betaSlow: 1, originalPositions: 32, attentionFactor: 1.5)
      ),
      ("\"rope_parameters\": {\"rope_theta\": 500.0}", .none),
    ])
  func rotary(fields: String, scaling: RotarySettings.Scaling) throws {
    let settings = try #require(rotary(of: try model("llama", fields)))
    #expect(settings.scaling == scaling)
    #expect(settings.theta == (fields.contains("rope_parameters") ? 500 : 10_000))
    #expect(settings.width == 8)
  }

  @Test("YaRN's attention factor follows the paper where it is not stated")
  func yarnFactor() throws {
    let model = try model("llama", "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4.0}")
    let factor = try #require(rotary(of: model)).attentionFactor
    #expect(abs(factor - 1.138629436111989) < 1e-15)
  }
}
