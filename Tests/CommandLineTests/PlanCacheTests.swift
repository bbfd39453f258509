import Foundation
import GRDB
import Testing
import TimingStore

/// Answers that searches on this machine keep beside its timings.
@Suite struct PlanCacheTests {
  private let line: CommandLine

  /// A database that has the answer of one search and the times that it rests on.
  private static let measured = Result {
    let line = try CommandLine()
    let outcome = try line.run("search tiny-gpt2 \(batch) \(pins)")
    #expect(outcome.code == 0 && outcome.error.contains("measured"), "\(outcome.error)")
    return try Data(contentsOf: URL(fileURLWithPath: line.path("timings.db")))
  }

  init() throws {
    line = try CommandLine()
    try Self.measured.get().write(to: URL(fileURLWithPath: line.path("timings.db")))
  }

  private static let pins =
    "--layout megatron --tensor 2 --pipeline 1 --matmul gathered --micro-batch 16"
  private static let batch = "--devices 2 --cluster local --global-batch 16"

  private func search(
    _ flags: String = "", pins: String = pins, batch: String = batch
  ) throws -> CommandLine.Outcome {
    try line.run("search tiny-gpt2 \(batch) \(pins) \(flags)")
  }

  /// The output but for the time that the search took.
  private func figures(_ outcome: CommandLine.Outcome) -> [Substring] {
    outcome.output.split(separator: "\n").filter { !$0.contains("elapsed_seconds") }.map {
      $0.contains(" candidates: ") ? $0.prefix { $0 != ";" } : $0
    }
  }

  private func execute(_ sql: String) throws {
    try DatabaseQueue(path: line.path("timings.db")).write { try $0.execute(sql: sql) }
  }

  private func answers() throws -> [(key: String, text: String)] {
    try DatabaseQueue(path: line.path("timings.db")).read { database in
      try Row.fetchAll(database, sql: "SELECT key, answer FROM answer ORDER BY used").map {
        ($0["key"], $0["answer"])
      }
    }
  }

  @Test(arguments: [
    "--layout megatron", "--layout megatron --pareto --json", "--top 2 --by-layout --json",
    "--layout mixed --top 3 --json", "--layout data --objective memory",
    "--pipeline 2 --layout data --recompute full --json",
  ])
  func `an equal search prints the same, whether it finds its answer or searches`(
    _ pins: String
  ) throws {
    try execute("DELETE FROM answer")
    let pins = pins + (pins.contains("pipeline") ? " --micro-batch 4" : " --micro-batch 16")
    let first = try search(pins: pins)
    #expect(first.code == 0, "\(first.error)")
    #expect(try answers().count == 1)
    let found = try search(pins: pins)
    try execute("DELETE FROM answer")
    let searched = try search(pins: pins)
    #expect(found.error == "" && searched.error == "")
    #expect(figures(found) == figures(first))
    #expect(figures(found) == figures(searched))
    #expect(try answers().count == 1)
  }

  @Test func `a search that finds its answer says what is kept of it`() throws {
    let (key, text) = try #require(try answers().first)
    let changed = text.replacing(/"evaluated":\d+/, with: "\"evaluated\":123456789")
    try TimingDatabase(line.path("timings.db")).keep(answer: changed, for: key)
    let outcome = try search()
    #expect(outcome.output.contains("123456789 fit") && outcome.error == "")
  }

  @Test(arguments: [
    "--top 11", "--memory unlimited", "--memory 1GiB", "--pareto", "--by-layout",
    "--objective memory", "--zero 1", "--gathers-inputs saved", "--optimizer sgd",
  ])
  func `what is asked otherwise is searched for`(_ flags: String) throws {
    #expect(try search(flags).code == 0)
    #expect(try answers().count == 2)
  }

  @Test func `the model, the sequence, the batch and the devices are asked, too`() throws {
    _ = try line.run("search tiny-llama \(Self.batch) \(Self.pins)")
    #expect(try answers().count == 2)
    _ = try search("--sequence 16")
    #expect(try answers().count == 3)
    _ = try search(batch: "--devices 2 --cluster local --global-batch 32")
    #expect(try answers().count == 4)
    _ = try search(batch: "--devices 4 --cluster local --global-batch 32")
    #expect(try answers().count == 5)
  }

  @Test func `where one time has changed it searches again`() throws {
    try execute(
      "UPDATE timing SET median_ns = median_ns + 1 WHERE shape = (SELECT max(shape) FROM timing)")
    #expect(try search().error == "")
    #expect(try answers().count == 2)
  }

  @Test func `another build of the program does not see it`() throws {
    let other = line.folder.appendingPathComponent("other")
    let program = try CommandLine.program()
    try (Data(contentsOf: program) + [0]).write(to: other)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: other.path)
    var roots = program
    while !FileManager.default.fileExists(atPath: roots.path + "/models"), roots.path != "/" {
      roots.deleteLastPathComponent()
    }
    line.environment["TPPLAN_DATA"] = roots.path
    line.environment["LD_LIBRARY_PATH"] = program.deletingLastPathComponent().path
    line.other = other
    let outcome = try search()
    #expect(outcome.code == 0 && outcome.error == "")
    #expect(try answers().count == 2)
  }

  @Test(arguments: ["{}", "", "[", "{\"plans\":[{}]}"])
  func `an entry that is none is searched for anew, and replaced`(_ text: String) throws {
    let first = try search()
    let (key, right) = try #require(try answers().first)
    try TimingDatabase(line.path("timings.db")).keep(answer: text, for: key)
    #expect(try figures(search()) == figures(first))
    #expect(try answers().map(\.text) == [right])
  }

  @Test func `an entry that was changed on disk is searched for anew, and replaced`() throws {
    let first = try search()
    let right = try answers().map(\.text)
    try execute("UPDATE answer SET answer = replace(answer, '\"micro_batch\"', '\"micro_botch\"')")
    #expect(try figures(search()) == figures(first))
    #expect(try answers().map(\.text) == right)
  }

  @Test(arguments: ["--exhaustive", "--certificate @/c.json", "--memory 1"])
  func `what an entry does not say is not kept`(_ flags: String) throws {
    try execute("DELETE FROM answer")
    let outcome = try search(flags)
    #expect(outcome.code == (flags == "--memory 1" ? 1 : 0), "\(outcome.error)")
    #expect(try answers().isEmpty)
  }

  @Test func `while others write it searches, and keeps nothing`() throws {
    let first = try search()
    try execute("DELETE FROM answer")
    let holder = try DatabaseQueue(path: line.path("timings.db"))
    try holder.inTransaction(.immediate) { _ in
      let outcome = try search()
      #expect(outcome.code == 0 && outcome.error == "", "\(outcome.error)")
      #expect(figures(outcome) == figures(first))
      return .rollback
    }
    #expect(try answers().isEmpty)
  }

  @Test func `pruning timings drops answers, and lists do not show them`() throws {
    let listed = try line.run("timings list --json").output
    #expect(try line.run("timings prune --kernel none --json").json()["removed"] as? Int == 0)
    #expect(try answers().isEmpty)
    #expect(try line.run("timings list --json").output == listed)
  }

  @Test func `a sweep and a search of one count share their answers`() throws {
    let outcome = try line.run("sweep tiny-gpt2 \(Self.batch) \(Self.pins)")
    #expect(outcome.code == 0 && outcome.error == "")
    #expect(try answers().count == 1)
  }
}
