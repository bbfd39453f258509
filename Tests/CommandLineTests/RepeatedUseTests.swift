import Testing

/// Models in which one operation, or one block, uses a value twice.
@Suite struct RepeatedUseTests {
  /// An MLP of `operations`, JSON text, of parameters `up` and `down`.
  private func model(_ operations: String) -> String {
    """
    {"schema":"tpplan.model/1","name":"twice","family":"odd","maximum_sequence":4,
     "dimensions":{"hidden":4,"ffn":8},
     "segments":[{"count":2,"blocks":[{"class":"mlp","name":"m",
      "parameters":[{"name":"up","dimensions":["ffn","hidden"]},
                    {"name":"down","dimensions":["hidden","ffn"]}],
      "operations":[\(operations)],"output":"o"}]}]}
    """
  }

  private static let linear = #"{"operation":"linear","inputs":["input","up"],"output":"u"}"#

  private func prove(_ operations: String, _ pins: String) throws {
    let line = try CommandLine()
    try line.write(model(operations), "model.json")
    let devices = pins.contains("2x2") ? 4 : pins.isEmpty ? 1 : 2
    let search = try line.run(
      "search @/model.json --devices \(devices) --global-batch 4 --emit @/plan.json \(pins)")
    #expect(search.code == 0, "\(search)")
    let outcome = try line.run("execute @/plan.json --no-record --dtype float64 --json")
    #expect(outcome.code == 0, "\(outcome)")
  }

  private static let pins = [
    "", "--data 2 --zero 3", "--layout megatron --tensor 2", "--layout summa --mesh 2x1",
    "--layout summa --mesh 2x2", "--layout 3d --mesh 2x1x1",
  ]

  @Test(arguments: pins)
  func `a value that an operation reads twice has the sum of both gradients`(
    _ pins: String
  ) throws {
    let gate =
      #"{"operation":"gated_activation","function":"relu","inputs":["u","u"],"output":"a"}"#
    let down = #"{"operation":"linear","inputs":["a","down"],"output":"o"}"#
    try prove([Self.linear, gate, down].joined(separator: ","), pins)
  }

  @Test(arguments: pins)
  func `a weight that a block uses twice has the sum of both gradients`(_ pins: String) throws {
    let active = #"{"operation":"activation","function":"relu","inputs":["u"],"output":"a"}"#
    let down = #"{"operation":"linear","inputs":["a","down"],"output":"d"}"#
    let again = #"{"operation":"linear","inputs":["d","up"],"output":"v"}"#
    let last = #"{"operation":"linear","inputs":["v","down"],"output":"o"}"#
    try prove([Self.linear, active, down, again, last].joined(separator: ","), pins)
  }
}
