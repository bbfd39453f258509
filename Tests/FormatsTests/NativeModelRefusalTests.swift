import Formats
import PlanIR
import Testing

@Suite("Refused native models")
struct NativeModelRefusalTests {
  private static let text = (try? ShippedData.text("models/tiny-gpt2.json")) ?? ""

  /// The message for the tiny model with the first `old` text replaced.
  private func message(_ old: String, _ new: String) throws -> String {
    let range = try #require(Self.text.ranges(of: old).first, "\(old) is not in the model")
    var text = Self.text
    text.replaceSubrange(range, with: new)
    let document = try JSONDocument(text: text, file: "m.json")
    let error = #expect(throws: FormatError.self, "\(old) -> \(new)") {
      try NativeModel.model(of: document.root)
    }
    #expect(error?.exitCode == 65)
    return error?.description ?? ""
  }

  @Test(
    "Wrong heads of the file are told by path",
    arguments: [
      ("tpplan.model/1", "tpplan.model/2", "$.schema: expected the schema"),
      ("\"family\"", "\"famly\"", "$.famly: expected one of the fields"),
      ("\"name\": \"tiny-gpt2\"", "\"name\": \"\"", "$.name: expected 1 to 200 bytes"),
      ("\"hidden\": 64", "\"hidden\": 0", "$.dimensions.hidden: expected an integer from 1"),
      ("\"hidden\": 64,", "", "$.dimensions: expected the field \"hidden\""),
      ("\"ffn\": 256", "\"width\": 256", "$.dimensions.width: expected one of"),
      ("\"ffn\": 256,", "", "expected a dimension with a size in `dimensions`"),
      ("\"key_value_heads\": 8", "\"key_value_heads\": 3", "$.dimensions.key_value_heads: "),
      ("\"head_width\": 8", "\"head_width\": 16777216", "heads times head_width of at most 2^24"),
      ("\"maximum_sequence\": 64", "\"maximum_sequence\": 63", "expected positions, which is 64"),
      ("\"sequence\": 32", "\"sequence\": 65", "$.workload.sequence: expected at most maximum_"),
      ("\"precision\": \"fp32\"", "\"precision\": \"fp8\"", "$.workload.precision: expected one"),
      ("\"global_batch\": 8", "\"global_batch\": -1", "$.workload.global_batch: "),
      ("\"count\": 1", "\"count\": 0", "$.segments[0].count: "),
      ("\"count\": 1", "\"count\": 2", "an earlier block, neither of them repeated"),
    ])
  func head(old: String, new: String, expected: String) throws {
    let text = try message(old, new)
    #expect(text.contains(expected), "\(text)")
    #expect(text.hasPrefix("m.json: at $"), "\(text)")
  }

  @Test(
    "Wrong blocks are told by path",
    arguments: [
      ("\"class\": \"attention\"", "\"class\": \"mixer\"", "$.segments[1].blocks[0].class: "),
      ("\"name\": \"mlp\"", "\"name\": \"attention\"", "that no other block has"),
      ("\"name\": \"mlp\"", "\"name\": \"a/b\"", "a name of letters, digits"),
      ("\"embedding/table\"", "\"embedding/tabel\"", "$.segments[2].blocks[0].borrowed[0]: "),
      ("\"class\": \"head\"", "\"class\": \"mlp\"", "expected an operation of a block of class"),
      ("\"operation\": \"linear\"", "\"operation\": \"conv\"", "expected one of \"embedding\""),
      ("\"causal\": true,", "", "expected the field \"causal\""),
      ("\"scale\": 0.3", "\"scale\": 1e300, \"x\": 0.3", ".x: expected one of the fields"),
      ("\"norm\": \"layer\"", "\"norm\": \"batch\"", ".norm: expected one of \"layer\", \"rms\""),
      ("\"epsilon\": 1e-05", "\"epsilon\": 0", ".epsilon: expected a number from"),
      ("[\"norm\", \"query.weight\"", "[\"query.weight\", \"norm\"", "inputs[0]: expected a value"),
      ("[\"norm\", \"query.weight\"", "[\"nrom\", \"query.weight\"", "input` defined before"),
      (
        "[\"norm\", \"query.weight\", \"query.bias\"]", "[\"norm\", \"query.weight\"]",
        "a parameter that an operation reads"
      ),
      ("\"output\": \"projected\"", "\"output\": \"tokens\"", "another name than input"),
      ("\"output\": \"context\"", "\"output\": \"query\"", "an output"),
      ("\"dimensions\": [\"hidden\"]", "\"dimensions\": [\"ffn\"]", "a gain and bias of"),
      ("[\"vocabulary\", \"hidden\"]", "[\"hidden\", \"hidden\"]", "did not come before"),
      ("[\"vocabulary\", \"hidden\"]", "[\"hidden\", \"batch\"]", "[1]: expected one of \"hidden"),
      ("[\"vocabulary\", \"hidden\"]", "[]", "expected 1 or more dimensions"),
      ("\"deviation\": 0.25", "\"deviation\": -1", ".initial.deviation: "),
      ("\"offset\": 64", "\"offset\": 65", "side by side along one dimension"),
      ("\"offset\": 64", "\"offset\": 640", "a part within the checkpoint's tensor"),
      ("\"axis\": 1", "\"axis\": 2", "a part within the checkpoint's tensor"),
      ("transformer.wpe.weight", "transformer.wte.weight", "side by side along one dimension"),
      ("h.{layer}.ln_2", "h.0.ln_2", "`{layer}` in the checkpoint's tensor"),
    ])
  func block(old: String, new: String, expected: String) throws {
    let text = try message(old, new)
    #expect(text.contains(expected), "\(text)")
    #expect(text.hasPrefix("m.json: at $"), "\(text)")
  }

  @Test(
    "Wrong shardings are told by path",
    arguments: [
      ("{\"output\": [[], []]}", "expected 3 lists of axes, one a dimension"),
      ("{\"nothing\": [[], [], []]}", "the name of a value or parameter"),
      ("{\"output\": [[\"Tensor\"], [], []]}", "expected an axis such as"),
      ("{\"output\": [[\"tensor:(2)1\"], [], []]}", "expected an axis such as"),
      ("{\"output\": [[\"row\"], [], [\"row\"]]}", "that did not come before in this value"),
    ])
  func shardings(value: String, expected: String) throws {
    let text = try message("\"name\": \"mlp\",", "\"name\": \"mlp\", \"shardings\": \(value),")
    #expect(text.contains(expected), "\(text)")
    #expect(text.contains("$.segments[1].blocks[1].shardings"), "\(text)")
  }

  @Test("An embedding and a head stand once, at the ends")
  func order() throws {
    let text = try ShippedData.text("models/tiny-llama.json")
    for (index, word) in [(0, "an embedding only as the first"), (2, "a head only as the last")] {
      var changed = text
      changed.replaceSubrange(text.ranges(of: "\"count\": ")[index], with: "\"count\": 1")
      let document = try JSONDocument(text: changed, file: "m.json")
      let error = #expect(throws: FormatError.self) { try NativeModel.model(of: document.root) }
      #expect(
        error?.description.contains("$.segments[\(index)].blocks[0]: expected \(word)") == true)
    }
  }

  @Test("Rotary embedding turns whole heads of even width")
  func rotary() throws {
    for (width, other) in [(8, 6), (7, 7)] {
      let text = try ShippedData.text("models/tiny-llama.json")
        .replacing("\"head_width\": 8", with: "\"head_width\": \(width)")
        .replacing("\"width\": 8", with: "\"width\": \(other)")
      let document = try JSONDocument(text: text, file: "m.json")
      let error = #expect(throws: FormatError.self) { try NativeModel.model(of: document.root) }
      #expect(error?.description.contains(".width: expected head_width, which is \(width)") == true)
    }
  }
}
