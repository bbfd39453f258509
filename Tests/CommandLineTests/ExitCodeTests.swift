import Foundation
import Testing

/// A command, the code it must end with, and what its message must name.
struct ExitCase: Sendable, CustomTestStringConvertible {
  let arguments: String
  let code: Int32
  let names: String

  init(_ arguments: String, _ code: Int32, _ names: String = "") {
    (self.arguments, self.code, self.names) = (arguments, code, names)
  }

  var testDescription: String { arguments }
}

private let tiny = "search tiny-gpt2 --devices 4 "

@Suite struct ExitCodeTests {
  private static let unbuilt: [ExitCase] = [
    ExitCase("--layout any", 1, "layout any")
  ]

  @Test(arguments: unbuilt)
  func `a choice that is not built is refused by name`(_ refused: ExitCase) throws {
    let outcome = try CommandLine().run(tiny + refused.arguments + " --json")
    #expect(outcome.code == 1)
    let document = try outcome.json()
    #expect((document["plans"] as? [Any])?.isEmpty == true)
    let reasons = try #require(document["reasons"] as? [[String: String]])
    #expect(reasons.count == 1)
    let constraint = try #require(reasons.first?["constraint"])
    #expect(constraint.contains(refused.names) && constraint.contains("not built"))
  }

  /// Pins that no plan meets: the constraint, and what to try instead.
  private static let refused: [(flags: String, constraint: String, remedy: String)] = [
    ("--layout summa --mesh 2x3 --devices 6 --global-batch 6", "divisible by col", "--mesh"),
    ("--layout summa --mesh 4x1 --micro-batch 2", "batch divisible by row", "--mesh 2x"),
    ("--layout 3d --mesh 2x2x1 --micro-batch 2", "batch divisible by i+j", "--mesh"),
    ("--layout stationary --mesh 1x3 --devices 3 --global-batch 3", "heads", "--mesh"),
    ("--layout megatron --matmul stepped", "stepped matmuls", "--layout summa"),
    ("--layout summa --mesh 2x2 --sequence-parallel", "sequence parallelism", "megatron"),
    ("--layout summa --mesh 2x4", "tensor mesh = devices", "--devices 8"),
    ("--layout mixed --recompute full", "mixtures", "--recompute none"),
    ("--layout mixed --pipeline 2", "mixtures", "--pipeline 1"),
    ("--recompute selective", "unfused attention", "--attention unfused"),
    ("--pipeline 2 --interleave 2 --micro-batch 8", "divisible by stages", "--schedule 1f1b"),
    ("--pipeline 3", "pipeline", "--devices"),
    ("--data 4 --micro-batch 5 --global-batch 24", "data x micro_batch", "--micro-batch 6"),
    ("--pipeline 64 --devices 64", "a layer on every pipeline stage", "--pipeline 2"),
    (
      "--pipeline 64 --devices 64 --interleave 4", "a layer on every pipeline stage",
      "--pipeline 2, no --interleave"
    ),
    ("--interleave 1000000", "a layer on every pipeline stage", "--schedule 1f1b"),
    ("--pipeline 2 --schedule interleaved", "a layer on every pipeline stage", "--schedule 1f1b"),
    (
      "--layout summa --mesh 2x2 --context 4294967296 --devices 16777216", "= devices",
      "other degrees"
    ),
    ("--data 4294967296 --pipeline 4294967296", "a layer on every", "--pipeline"),
    ("--data 4294967296 --tensor 4294967296", "tensor mesh = devices", "other degrees"),
    ("--context 65536 --data 4294967296 --tensor 4294967296", "= devices", "other degrees"),
    (
      "--context 4 --context-attention ring --attention unfused", "ring attention is fused",
      "--attention fused"
    ), ("--context 4 --context-attention ring --sequence 20", "twice the context", "--sequence 16"),
    ("--context 4 --context-attention ring --sequence 4", "twice the context", "--context 2"),
    (
      "--pipeline 7 --devices 7 --schedule gpipe", "a layer on every pipeline stage",
      "--pipeline 1, no --schedule"
    ),
  ]

  @Test(arguments: refused.indices)
  func `a pin that cannot be met is named with what would do`(_ index: Int) throws {
    let refused = Self.refused[index]
    let devices = refused.flags.contains("--devices") ? "" : "--devices 4 "
    let outcome = try CommandLine().run("search tiny-gpt2 \(devices)\(refused.flags) --json")
    #expect(outcome.code == 1)
    let reasons = try #require(try outcome.json()["reasons"] as? [[String: String]])
    let constraints = reasons.compactMap { $0["constraint"] }.joined(separator: "; ")
    let remedies = reasons.compactMap { $0["try"] }.joined(separator: "; ")
    #expect(constraints.contains(refused.constraint), "\(constraints)")
    #expect(remedies.contains(refused.remedy), "\(remedies)")
  }

  @Test func `what excludes most candidates is told first`() throws {
    let outcome = try CommandLine().run("search tiny-gpt2 --devices 8 --interleave 2 --json")
    #expect(outcome.code == 1)
    let reasons = try #require(try outcome.json()["reasons"] as? [[String: String]])
    #expect(reasons.first?["constraint"]?.hasPrefix("a layer on every pipeline stage") == true)
  }

  /// A GPT-2 of one layer, with as many tokens and as wide a table as there may be.
  private static let wide = """
    {"model_type": "gpt2", "n_embd": 4096, "n_head": 32, "n_layer": 1, "n_positions": 64,
     "vocab_size": 16777216}
    """

  /// Steps whose counts of bytes or multiplications are more than 64 bits hold.
  @Test(arguments: [
    ("@/wide.json --devices 2 --global-batch 16777216 --sequence 8 --layout data", 1),
    ("tiny-gpt2 --devices 2 --global-batch 16777216 --pad-vocabulary 16777216", 1),
    (
      "llama-3-70b --devices 4096 --data 4096 --layout data --micro-batch 1 --recompute none "
        + "--global-batch 16777216 --sequence 8 --zero 3 --precision fp32 --memory unlimited", 0
    ),
  ])
  func `a step beyond all measure is refused or priced`(_ search: String, _ code: Int32) throws {
    let line = try CommandLine()
    try line.write(Self.wide, "wide.json")
    let outcome = try line.run("search \(search) --json")
    #expect(outcome.code == code, "\(outcome.error)")
    let constraints = (try outcome.json()["reasons"] as? [[String: String]])?.map {
      $0["constraint"] ?? ""
    }
    #expect(code == 0 || constraints?.contains { $0.contains("<= 2^") } == true)
  }

  private static let contradictions = [
    "--layout summa --mesh 2x2x2", "--layout tesseract --mesh 2x2", "--layout 3d --mesh 4",
    "--mesh 2x2", "--layout megatron --mesh 2x2", "--layout summa --mesh 0x4",
    "--layout summa --mesh 2x2 --tensor 2", "--layout data --tensor 2",
    "--layout data --sequence-parallel", "--sequence-parallel --no-sequence-parallel",
    "--schedule 1f1b --pipeline 1", "--interleave 2 --pipeline 1",
    "--schedule interleaved --interleave 1",
    "--layout 3d --mesh 16777216x16777216x16777216",
    "--context-attention ring", "--context 1 --context-attention ring",
    "--context 4 --context-attention star", "--schedule gpipe --interleave 2", "--tensor 0",
    "--tensor x", "--tensor 9999999999999",
    "--zero 4", "--top 0", "--memory 0", "--memory 80gib", "--memory 1e9",
    "--memory 9999999999GiB", "--dropout 1", "--dropout nan", "--precision fp16",
    "--global-batch 0", "--global-batch 4294967296", "--pad-vocabulary 0", "--objective x",
    "--recompute some", "--no-such-flag", "--devices 0", "--devices 99999999",
  ]

  @Test(arguments: contradictions)
  func `wrong usage ends with 64 and prints no answer`(_ flags: String) throws {
    let outcome = try CommandLine().run(tiny + flags)
    #expect(outcome.code == 64)
    #expect(outcome.output.isEmpty && outcome.error.hasPrefix("Error: "))
  }

  private static let files: [ExitCase] = [
    ExitCase("search nothing --devices 4", 66, "tiny-gpt2"),
    ExitCase("search @/none.json --devices 4", 66, "none.json"),
    ExitCase("search @ --devices 4", 66, "config.json"),
    ExitCase(tiny + "--cluster nothing", 66, "h100-sxm"),
    ExitCase("sweep nothing --devices 4..8", 66, "tiny-gpt2"),
    ExitCase("sweep tiny-gpt2 --devices 4 --csv --cluster @/none.json", 66, "none.json"),
    ExitCase(tiny + "--cluster @/none.json", 66, "none.json"),
    ExitCase("explain @/none.json", 66, "none.json"), ExitCase("execute @", 74, "directory"),
    ExitCase("explain @/plan.json --against @/none.json", 66, "none.json"),
    ExitCase("explain @", 74, "directory"), ExitCase("explain /proc/self/mem", 74, "mem"),
    ExitCase("explain /dev/null", 65, "empty"),
    ExitCase("explain @/model.json", 65, "schema"),
    ExitCase("execute @/plan.json --batch @/none.st", 66, "none.st"),
    ExitCase("execute @/plan.json --weights @/none.st", 66, "none.st"),
    ExitCase("execute @/plan.json --weights @/plan.json", 65, "plan.json"),
    ExitCase("execute @/plan.json --shrink --batch x", 64, "--shrink"),
    ExitCase("execute @/plan.json --steps 0", 64, "--steps"),
    ExitCase("execute @/plan.json --learning-rate nan", 64, "--learning-rate"),
    ExitCase("execute @/plan.json --trace @/no/t.json", 74, "no/t.json"),
    ExitCase("execute @/plan.json --timings @", 74, "timings"),
    // Nothing is run whose times could not be recorded.
    ExitCase("execute @/plan.json --timings @/model.json --dump @/x.st", 65, "model.json"),
    ExitCase("execute @/plan.json --timings /dev/full --dump @/x.st", 74, "/dev/full"),
    ExitCase("execute @/plan.json --dump @/no/x.st", 74, "no/x.st"),
    ExitCase("execute @/plan.json --dump @", 74, "folder"),
    ExitCase("execute @/plan.json --dump @/plan.json", 64, "the plan"),
    ExitCase("execute @/plan.json --dump @/x --trace @/./x", 64, "--dump"),
    ExitCase(tiny + "--emit @/p --certificate @/p", 64, "--emit"),
    ExitCase("search @/model.json --devices 4 --emit @/model.json", 64, "MODEL"),
    ExitCase("search @/folder --devices 2 --emit @/folder/config.json", 64, "MODEL"),
    ExitCase(
      "execute @/plan.json --weights @/folder --dump @/folder/x.safetensors", 64, "--weights"),
    ExitCase("timings export @/timings.db", 64, "the database"),
    ExitCase("timings export --timings @/timings.db @/timings.db-wal", 64, "the database"),
    ExitCase("timings prune --all --timings @/none.db", 66, "none.db"),
    ExitCase(tiny + "--emit @/no/p.json", 74, "no/p.json"),
    ExitCase(tiny + "--emit /dev/full", 74, "/dev/full"),
    ExitCase("timings import @/none.json", 66, "none.json"),
    ExitCase("timings import @/plan.json", 65, "tpplan.timings/1"),
    ExitCase("timings prune", 64, "--all"),
    ExitCase("timings prune --before x", 64, "--before"),
    ExitCase("calibrate --budget 0", 64, "--budget"),
    ExitCase("calibrate --dtype bfloat16", 64, "float64"),
    ExitCase("calibrate --dtype float32 --cluster cuda", 64, "--dtype"),
    ExitCase("calibrate --global-batch 0", 64, "--global-batch"),
    ExitCase("calibrate --cluster cuda", 1, "cuda"), ExitCase("nonsense", 64, "nonsense"),
    ExitCase("export @/plan.json --to x -o @/out", 1, "not built"),
  ]

  @Test(arguments: files)
  func `a command ends with the documented code and one message`(_ wrong: ExitCase) throws {
    let line = try CommandLine()
    try line.write("{\"schema\":\"tpplan.model/2\"}", "model.json")
    try FileManager.default.createDirectory(
      at: line.folder.appendingPathComponent("folder"), withIntermediateDirectories: false)
    let written = ["folder/config.json", "folder/x.safetensors", "timings.db", "timings.db-wal"]
    for name in written {
      try line.write("", name)
    }
    _ = try line.run(tiny + "--emit @/plan.json")
    let before = try line.contents()
    let outcome = try line.run(wrong.arguments)
    #expect(outcome.code == wrong.code, "\(outcome.error)")
    #expect(outcome.error.contains(wrong.names), "\(outcome.error)")
    #expect(outcome.output.isEmpty)
    if wrong.code != 64 { #expect(outcome.error.split(separator: "\n").count == 1) }
    #expect(try line.contents() == before)
  }

  @Test func `a file that may not grow further is one that cannot be written`() throws {
    let line = try CommandLine()
    line.other = URL(fileURLWithPath: "/bin/sh")
    let command = "ulimit -f 1; exec \(try CommandLine.program().path) \(tiny)--emit p.json"
    let outcome = try line.run(words: ["-c", command])
    #expect(outcome.code == 74, "\(outcome.error)")
    #expect(outcome.error.contains("p.json") && outcome.output.isEmpty)
    #expect(try line.contents().isEmpty)
  }

  @Test(arguments: [
    "models", "clusters --json", tiny, tiny + "--json", "sweep tiny-gpt2 --devices 4 --csv",
    "--help", "help search", "--version", "--generate-completion-script zsh",
  ])
  func `an answer that cannot be written is no answer`(_ command: String) throws {
    let outcome = try CommandLine().run(command, device: "/dev/full")
    #expect(outcome.code == 74)
    #expect(outcome.error.contains("standard output"))
  }

  @Test(arguments: [
    "", "search", "sweep", "audit", "explain", "execute", "calibrate", "timings", "timings prune",
    "export",
    "models", "clusters",
  ])
  func `every command has help and a version`(_ command: String) throws {
    let line = try CommandLine()
    let help = try line.run(command + " --help")
    #expect(help.code == 0 && help.output.contains("USAGE: tpplan") && help.error.isEmpty)
    let version = try line.run(command + " --version")
    #expect(version.code == 0 && version.output.split(separator: ".").count == 3)
  }

  @Test(arguments: ["bash", "zsh", "fish"])
  func `shells get completions`(_ shell: String) throws {
    let outcome = try CommandLine().run("--generate-completion-script \(shell)")
    #expect(outcome.code == 0 && outcome.output.contains("gathers-inputs"))
  }
}
