import Formats
import PlanIR

/// The tiny models that are shipped, made from the configurations they stand for.
enum TinyModels {
  static let gpt2 = """
    {"model_type": "gpt2", "n_embd": 64, "n_head": 8, "n_layer": 2, "n_positions": 64,
     "vocab_size": 500}
    """

  static let llama = """
    {"model_type": "llama", "hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 2,
     "num_attention_heads": 8, "num_key_value_heads": 2, "max_position_embeddings": 64,
     "vocab_size": 500, "rms_norm_eps": 1e-05}
    """

  /// The configuration's model with the tiny workload.
  static func model(_ name: String, _ config: String) throws -> Model {
    let root = try JSONDocument(text: config, file: "config.json").root
    var model = try HuggingFaceConfig.model(of: root, name: name)
    var workload = WorkloadOverrides()
    workload.globalBatch = 8
    workload.sequence = 32
    workload.precision = .fp32
    workload.optimizer = .adamw
    model.workload = workload
    return model
  }

  /// `tiny-llama` with everything the native format can say: the documented example.
  static func example() throws -> Model {
    var model = try model("example", llama)
    let attention = model.segments[1].blocks[0]
    model.segments[1].blocks[0].shardings = [
      "output": [["data"], [], ["tensor:(1)2"]], "query.weight": [["tensor"], [], []],
    ]
    for (index, operation) in attention.operations.enumerated() {
      if case .rotary(var settings) = operation.kind {
        settings.scaling = .yarn(
          factor: 2, betaFast: 32, betaSlow: 1, originalPositions: 32, attentionFactor: 1.07)
        model.segments[1].blocks[0].operations[index].kind = .rotary(settings)
      }
    }
    model.workload?.attention = .fused
    model.workload?.dropout = 0.1
    model.workload?.padVocabulary = 128
    return model
  }
}
