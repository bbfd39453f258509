import Testing

/// Native models whose layers begin by overwriting what they take: computed again, they need it as it was.
@Suite struct RecomputedBlocksTests {
  private static func model(_ blocks: [String]) -> String {
    """
    {"schema":"tpplan.model/1","name":"again","family":"again","maximum_sequence":8,
     "dimensions":{"hidden":16,"ffn":24,"vocabulary":12},
     "segments":[
      {"count":1,"blocks":[{"class":"embedding","name":"embedding",
       "parameters":[{"name":"table","dimensions":["vocabulary","hidden"]}],
       "operations":[{"operation":"embedding","inputs":["table"],"output":"output"}],
       "output":"output"}]},
      {"count":4,"blocks":[\(blocks.joined(separator: ","))]},
      {"count":1,"blocks":[{"class":"head","name":"head",
       "parameters":[{"name":"w","dimensions":["vocabulary","hidden"]}],
       "operations":[{"operation":"linear","inputs":["input","w"],"output":"logits"},
                     {"operation":"cross_entropy","inputs":["logits"],"output":"loss"}],
       "output":"loss"}]}]}
    """
  }

  /// A block of `operations`, of which the last has the output "e"; with two linears where it is told that it uses them.
  private static func block(_ name: String, _ operations: String, linears: Bool = false) -> String {
    let parameters =
      linears
      ? """
      {"name":"a","dimensions":["ffn","hidden"]},{"name":"b","dimensions":["hidden","ffn"]}
      """ : ""
    return """
      {"class":"mlp","name":"\(name)","parameters":[\(parameters)],
       "operations":[\(operations)],"output":"e"}
      """
  }

  private static func silu(_ input: String, _ output: String) -> String {
    """
    {"operation":"activation","function":"silu","inputs":["\(input)"],"output":"\(output)"}
    """
  }

  private static func add(_ left: String, _ right: String, _ output: String) -> String {
    """
    {"operation":"add","inputs":["\(left)","\(right)"],"output":"\(output)"}
    """
  }

  private static func linear(_ input: String, _ weight: String, _ output: String) -> String {
    """
    {"operation":"linear","inputs":["\(input)","\(weight)"],"output":"\(output)"}
    """
  }

  private static func dropout(_ input: String, _ output: String) -> String {
    """
    {"operation":"dropout","inputs":["\(input)"],"output":"\(output)"}
    """
  }

  private static let doubled = block(
    "doubled",
    [add("input", "input", "s"), silu("s", "k"), add("input", "k", "e")].joined(separator: ","))
  private static let residual = block(
    "residual",
    [
      add("input", "input", "s"), linear("s", "a", "u"), silu("u", "g"), linear("g", "b", "d"),
      add("s", "d", "e"),
    ].joined(separator: ","), linears: true)
  private static let dropped = block(
    "dropped",
    [
      dropout("input", "x"), linear("x", "a", "u"), silu("u", "g"), linear("g", "b", "d"),
      add("x", "d", "e"),
    ].joined(separator: ","), linears: true)
  private static let plain = block(
    "plain", [silu("input", "k"), add("input", "k", "e")].joined(separator: ","))
  private static let sum = block("sum", add("input", "input", "e"))
  /// What is handed on is what was taken, where nothing is dropped.
  private static let passed = block("passed", dropout("input", "e"))

  private static let layers = [
    [doubled], [residual], [dropped], [plain, doubled], [passed, plain], [sum, residual],
    [passed], [sum, passed, dropped],
  ]

  @Test(
    arguments: layers.indices,
    [
      "--layout data --dropout 0.1", "--layout data", "--layout summa --mesh 2x2 --dropout 0.1",
      "--layout megatron --tensor 2 --pipeline 2 --dropout 0.1",
    ])
  func `what is computed again of a layer starts from what the layer took`(
    _ layer: Int, _ pins: String
  ) throws {
    let line = try CommandLine()
    try line.write(Self.model(Self.layers[layer]), "model.json")
    let devices = pins.hasPrefix("--layout data") ? 1 : 4
    let search = try line.run(
      "search @/model.json --devices \(devices) --global-batch 4 --sequence 8 --precision fp32 "
        + "--memory unlimited --recompute full --emit @/plan.json \(pins)")
    #expect(search.code == 0, "\(search)")
    let outcome = try line.run("execute @/plan.json --no-record --dtype float64 --json")
    #expect(outcome.code == 0, "\(outcome)")
  }
}
