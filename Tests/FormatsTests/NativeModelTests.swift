import Formats
import PlanIR
import Testing

@Suite("Native models")
struct NativeModelTests {
  private func model(_ text: String) throws -> Model {
    try NativeModel.model(of: JSONDocument(text: text, file: "m.json").root)
  }

  private static let perceptron = """
    {"schema": "tpplan.model/1", "name": "mlp only", "family": "mine",
     "dimensions": {"hidden": 16, "ffn": 64}, "maximum_sequence": 128,
     "segments": [{"count": 3, "blocks": [{"name": "mlp", "class": "mlp",
       "parameters": [
         {"name": "gain", "dimensions": ["hidden"]},
         {"name": "up", "dimensions": ["ffn", "hidden"]},
         {"name": "down", "dimensions": ["ffn", "hidden"],
          "initial": {"deviation": 0.02}, "checkpoint": {"tensor": "w{layer}"}},
         {"name": "shift", "dimensions": ["hidden"]}],
       "operations": [
         {"operation": "norm", "norm": "rms", "epsilon": 1e-5, "inputs": ["input", "gain"],
          "output": "norm"},
         {"operation": "linear", "inputs": ["norm", "up"], "output": "wide"},
         {"operation": "activation", "function": "gelu_erf", "inputs": ["wide"],
          "output": "active"},
         {"operation": "linear", "inputs": ["active", "down", "shift"], "output": "narrow"},
         {"operation": "add", "inputs": ["input", "narrow"], "output": "out"}],
       "output": "out"}]}]}
    """

  @Test("A model without embedding and head is read; what it leaves out has defaults")
  func defaults() throws {
    let model = try model(Self.perceptron)
    let parameters = model.segments[0].blocks[0].parameters
    #expect(
      parameters.map(\.initial) == [
        .gain, InitialValue(deviation: 0.25), InitialValue(deviation: 0.02), .bias,
      ])
    #expect(
      parameters.map { $0.checkpoint.tensorName(layer: 2) } == [
        "mlp.2.gain", "mlp.2.up", "w2", "mlp.2.shift",
      ])
    #expect(model.workload == nil)
    #expect(model.layers == 3)
    #expect(try self.model(NativeModel.value(of: model).canonicalText) == model)
  }

  @Test("Everything the format can say comes back equal")
  func example() throws {
    let example = try TinyModels.example()
    #expect(try model(NativeModel.value(of: example).compactText) == example)
  }

  @Test("Every scaling of rotary embedding comes back equal")
  func scalings() throws {
    let scalings: [RotarySettings.Scaling] = [
      .none, .linear(factor: 1.5),
      .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 8192),
      .yarn(factor: 4, betaFast: 32, betaSlow: 1, originalPositions: 32, attentionFactor: 1.1),
    ]
    for scaling in scalings {
      var example = try TinyModels.model("m", TinyModels.llama)
      for index in example.segments[1].blocks[0].operations.indices {
        guard case .rotary(var settings) = example.segments[1].blocks[0].operations[index].kind
        else { continue }
        settings.scaling = scaling
        example.segments[1].blocks[0].operations[index].kind = .rotary(settings)
      }
      #expect(try model(NativeModel.value(of: example).canonicalText) == example)
    }
  }

  @Test("Names that the builder gives to parts of operations are taken")
  func generatedNames() throws {
    let text = Self.perceptron.replacing("\"active\"", with: "\"narrow.product\"")
    let error = #expect(throws: FormatError.self) { try model(text) }
    #expect(error?.description.contains("two called \"narrow.product\"") == true)
  }

  @Test("An error of the graph is told at its operation")
  func graphError() throws {
    let text = Self.perceptron
      .replacing("[\"input\", \"narrow\"]", with: "[\"wide\", \"narrow\"]")
    let error = #expect(throws: FormatError.self) { try model(text) }
    #expect(
      error?.description.hasPrefix("m.json: at $.segments[0].blocks[0].operations[4]: expected")
        == true, "\(String(describing: error))")
  }
}
