import Testing

/// Native models whose blocks have linears that blocks of their class mostly have not, and values of heads where
/// there is no attention.
@Suite struct UnusualBlocksTests {
  /// A model of one block between an embedding and a head.
  private static func model(_ block: String) -> String {
    """
    {"schema":"tpplan.model/1","name":"odd","family":"odd","maximum_sequence":8,
     "dimensions":{"hidden":12,"heads":4,"key_value_heads":2,"head_width":2,"vocabulary":30},
     "segments":[
      {"count":1,"blocks":[{"class":"embedding","name":"embedding",
       "parameters":[{"name":"table","dimensions":["vocabulary","hidden"]}],
       "operations":[{"operation":"embedding","inputs":["table"],"output":"output"}],
       "output":"output"}]},
      {"count":2,"blocks":[\(block)]},
      {"count":1,"blocks":[{"class":"head","name":"head",
       "parameters":[{"name":"w","dimensions":["vocabulary","hidden"]}],
       "operations":[{"operation":"linear","inputs":["input","w"],"output":"logits"},
                     {"operation":"cross_entropy","inputs":["logits"],"output":"loss"}],
       "output":"loss"}]}]}
    """
  }

  /// An MLP whose inner values are of `heads`, with more fields.
  private static func mlp(_ heads: String, _ more: String = "") -> String {
    """
    {"class":"mlp","name":"mlp",
     "parameters":[{"name":"up","dimensions":["\(heads)","head_width","hidden"]},
                   {"name":"down","dimensions":["hidden","\(heads)","head_width"]}],
     "operations":[{"operation":"linear","inputs":["input","up"],"output":"u"},
                   {"operation":"activation","function":"silu","inputs":["u"],"output":"a"},
                   {"operation":"linear","inputs":["a","down"],"output":"y"},
                   {"operation":"add","inputs":["input","y"],"output":"output"}],
     "output":"output"\(more)}
    """
  }

  /// Attention whose values go past it, too.
  private static let bypass = """
    {"class":"attention","name":"attention",
     "parameters":[{"name":"q","dimensions":["heads","head_width","hidden"]},
                   {"name":"k","dimensions":["key_value_heads","head_width","hidden"]},
                   {"name":"v","dimensions":["key_value_heads","head_width","hidden"]},
                   {"name":"o","dimensions":["hidden","heads","head_width"]},
                   {"name":"r","dimensions":["hidden","key_value_heads","head_width"]}],
     "operations":[{"operation":"linear","inputs":["input","q"],"output":"qq"},
                   {"operation":"linear","inputs":["input","k"],"output":"kk"},
                   {"operation":"linear","inputs":["input","v"],"output":"vv"},
                   {"operation":"attention","inputs":["qq","kk","vv"],"causal":true,"scale":0.5,
                    "output":"c"},
                   {"operation":"linear","inputs":["c","o"],"output":"y"},
                   {"operation":"linear","inputs":["vv","r"],"output":"z"},
                   {"operation":"add","inputs":["y","z"],"output":"s"},
                   {"operation":"add","inputs":["input","s"],"output":"output"}],
     "output":"output"}
    """

  private static let blocks = [mlp("heads"), mlp("key_value_heads"), bypass]
  private static let pins = [
    "--layout megatron --tensor 4", "--layout megatron --tensor 4 --sequence-parallel",
    "--layout 3d --mesh 1x4x1", "--layout 3d --mesh 4x1x1", "--layout stationary --mesh 1x4",
    "--layout summa --mesh 4x1", "--layout summa --mesh 1x4", "--layout tesseract --mesh 4x1x1",
    "--layout sequence --tensor 4", "--layout data --context 4", "--layout mixed", "",
  ]

  @Test(arguments: blocks, pins)
  func `plans of blocks with other linears hold their proof`(
    _ block: String, _ pins: String
  ) throws {
    let line = try CommandLine()
    try line.write(Self.model(block), "model.json")
    let search = try line.run(
      "search @/model.json --devices 4 --global-batch 4 --sequence 8 --precision fp32 "
        + "--emit @/plan.json \(pins)")
    // No mixture has another block's layout where there is no other block.
    if search.code == 1 { return #expect(pins == "--layout mixed", "\(search)") }
    #expect(search.code == 0, "\(search)")
    #expect(!search.error.contains("a bug"), "\(search.error)")
    let outcome = try line.run("execute @/plan.json --no-record --dtype float64 --json")
    #expect(outcome.code == 0, "\(outcome)")
  }

  @Test(arguments: ["tensor:(2)2", "data", "pipeline"], [1, 4])
  func `an axis written on a value is had, or refused by name`(_ axis: String, _ devices: Int)
    throws
  {
    let line = try CommandLine()
    let written = Self.mlp("heads", #","shardings":{"u":[[],[],["\#(axis)"],[]]}"#)
    try line.write(Self.model(written), "model.json")
    let search = try line.run(
      "search @/model.json --devices \(devices) --global-batch 4 --sequence 8 --precision fp32 "
        + "--recompute mixed --emit @/plan.json")
    guard search.code == 0 else { return #expect(search.code == 1, "\(search)") }
    let outcome = try line.run("execute @/plan.json --no-record --dtype float64 --json")
    #expect(outcome.code == 0, "\(outcome)")
  }
}
