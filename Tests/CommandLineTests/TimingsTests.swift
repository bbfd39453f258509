import Foundation
import Testing

@Suite struct TimingsTests {
  @Test func `times go out of one database into another and away`() throws {
    let line = try CommandLine()
    let outcome = try line.run("calibrate --budget 0.4 --verbose --json")
    let calibrated = try outcome.json()
    let told = outcome.error.split(separator: "\n").filter { $0.hasPrefix("stored matmul ") }
    #expect(told.count == calibrated["measured"] as? Int, "\(outcome.error)")
    #expect(try #require(calibrated["left"] as? Int) > 0)
    #expect(calibrated["schema"] as? String == "tpplan.calibrate/1")
    let list = try line.run("timings list --json")
    let listed = try #require(try list.json()["timings"] as? [[String: Any]])
    #expect(!listed.isEmpty && listed.count == calibrated["measured"] as? Int)
    #expect(
      try line.run("timings export --json @/out.json").json()["exported"] as? Int == listed.count)
    let other = "--timings @/timings-other.db --json"
    #expect(
      try line.run("timings import @/out.json \(other)").json()["imported"] as? Int == listed.count)
    #expect(try line.run("timings list \(other)").output == list.output)
    #expect(try line.text("out.json") == list.output)
    #expect(try line.run("timings prune --all \(other)").json()["removed"] as? Int == listed.count)
    #expect((try line.run("timings list \(other)").json()["timings"] as? [Any])?.isEmpty == true)
    let again = try line.run("calibrate --budget 0.01 --json").json()
    #expect(again["skipped"] as? Int == listed.count)
  }

  @Test func `what is calibrated is the workload and the type that are asked for, and again if so`()
    throws
  {
    let line = try CommandLine()
    let calibrate = "calibrate --global-batch 4 --sequence 8 --dtype float64 --budget 0.2 --json"
    _ = try line.run(calibrate)
    func listed() throws -> [[String: Any]] {
      try #require(try line.run("timings list --json").json()["timings"] as? [[String: Any]])
    }
    let first = try listed()
    #expect(!first.isEmpty && first.allSatisfy { $0["dtype"] as? String == "float64" })
    // Of activations by weights rows are tokens: 32 at most.
    let rows = first.filter { $0["transposition"] as? String == "NN" }
      .compactMap { ($0["shape"] as? [Int])?.first }
    #expect((1...32).contains(rows.max() ?? 0), "\(rows)")
    let again = try line.run(calibrate + " --again").json()
    #expect(again["skipped"] as? Int == 0 && (again["measured"] as? Int ?? 0) > 0)
    func samples(_ timings: [[String: Any]]) -> [String: Int] {
      Dictionary(
        timings.map {
          ("\($0["transposition"] ?? "") \($0["shape"] ?? "")", $0["samples"] as? Int ?? 0)
        }
      ) { $1 }
    }
    let later = samples(try listed())
    #expect(samples(first).contains { $1 < later[$0] ?? 0 })
  }

  @Test func `kernels that only slower plans have are calibrated, too`() throws {
    let line = try CommandLine()
    let workload = "--global-batch 4 --sequence 8 --attention fused --optimizer sgd --dtype float32"
    #expect(try line.run("calibrate \(workload) --budget 8 --json").code == 0)
    let listed = try #require(
      try line.run("timings list --json").json()["timings"] as? [[String: Any]])
    let kernels = Set(listed.compactMap { $0["kernel"] as? String })
    #expect(kernels.isSuperset(of: ["panel", "place", "attention-step.causal"]), "\(kernels)")
  }

  /// What runs the program as one whom permissions bind: itself, or as nobody where tests run as root.
  private static func bound() throws -> [String] {
    let program = try CommandLine.program().path
    return geteuid() == 0
      ? ["/usr/bin/setpriv", "--reuid=65534", "--clear-groups", program]
      : ["/usr/bin/env", program]
  }

  private static var canBeBound: Bool {
    get throws {
      let (line, words) = (try CommandLine(), try bound())
      line.other = URL(fileURLWithPath: words[0])
      return try line.run(words: words.dropFirst() + ["--version"]).code == 0
    }
  }

  /// Where root can be nobody, and nobody can run the program.
  @Test(.enabled(if: (try? TimingsTests.canBeBound) == true))
  func `a database at rest is read where its folder may not be written`() throws {
    let line = try CommandLine()
    let folder = line.path("shelf %41?b#c")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    let (document, database) = (try line.write(Self.one, "one.json"), folder + "/t.db")
    let words = ["timings", "import", document, "--timings", database]
    #expect(try line.run(words: words).code == 0)
    let here = line.folder.path
    for (path, mode) in [(here, 0o755), (database, 0o444), (folder, 0o555)] {
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }
    defer { chmod(folder, 0o755) }
    let bound = try Self.bound()
    line.other = URL(fileURLWithPath: bound[0])
    let list = bound.dropFirst() + ["timings", "list", "--json", "--timings", database]
    let outcome = try line.run(words: Array(list))
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect((try outcome.json()["timings"] as? [Any])?.count == 1)
    let refused = try line.run(
      words: bound.dropFirst() + ["timings", "prune", "--all", "--timings", database])
    #expect(refused.code == 74 && refused.error.contains(database))
  }

  @Test func `a run's times do not replace what more samples tell`() throws {
    let line = try CommandLine()
    _ = try line.run("search tiny-gpt2 --devices 2 --layout megatron --tensor 2 --emit @/plan.json")
    #expect(try line.run("execute @/plan.json --timings @/timings-a.db").code == 0)
    // The same kernels, as if they had been calibrated, some of them.
    let text = try line.run("timings export --timings @/timings-a.db").output
    let document = try #require(
      try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    var timings = try #require(document["timings"] as? [[String: Any]])
    for index in timings.indices {
      timings[index]["samples"] = index % 2 == 0 ? 1_000_000 : 1
      timings[index]["median_ns"] = 12345.5
    }
    let changed: [String: Any] = ["schema": "tpplan.timings/1", "timings": timings]
    try JSONSerialization.data(withJSONObject: changed)
      .write(to: line.folder.appendingPathComponent("changed.json"))
    let file = "--timings @/timings-b.db"
    #expect(try line.run("timings import @/changed.json \(file)").code == 0)
    #expect(try line.run("execute @/plan.json \(file)").code == 0)
    let after = try #require(
      try line.run("timings list --json \(file)").json()["timings"] as? [[String: Any]])
    let kept = after.filter { $0["median_ns"] as? Double == 12345.5 }
    #expect(kept.count == (timings.count + 1) / 2 && after.count == timings.count)
    #expect(kept.allSatisfy { $0["samples"] as? Int == 1_000_000 })
    let outcome = try line.run("execute @/plan.json \(file) --no-record")
    #expect(outcome.code == 0, "\(outcome.error)")
  }

  private static let one = """
    {"schema": "tpplan.timings/1", "timings": [{"kernel": "k", "dtype": "float32", "shape": [5],
     "transposition": "", "backend": "b", "fingerprint": "f", "samples": 9, "median_ns": 1.5,
     "spread_ns": 0, "date": "2026-11-23", "version": "0.1"}]}
    """

  /// On a machine of one core there is nothing to tell apart.
  @Test(.enabled(if: ProcessInfo.processInfo.activeProcessorCount > 1))
  func `products of one device are priced by what they take on all cores`() throws {
    let line = try CommandLine()
    _ = try line.run(
      "search tiny-gpt2 --cluster local --devices 1 --global-batch 2 --emit @/plan.json --json")
    func step() throws -> Double {
      let answer = try line.run("explain @/plan.json --json").json()
      return try #require((answer["plan"] as? [String: Any])?["step_seconds"] as? Double)
    }
    let own = "threads:\(ProcessInfo.processInfo.activeProcessorCount)"
    /// Lets products by so many threads take a second, and returns how many there are.
    func slow(_ threads: String) throws -> Int {
      _ = try line.run("timings export --json @/times.json")
      let parsed = try JSONSerialization.jsonObject(with: Data(line.text("times.json").utf8))
      var document = try #require(parsed as? [String: Any])
      let timings = try #require(document["timings"] as? [[String: Any]])
      func isMeant(_ timing: [String: Any]) -> Bool {
        timing["kernel"] as? String == "matmul"
          && (timing["fingerprint"] as? String ?? "").hasSuffix(threads)
      }
      document["timings"] = timings.map { timing in
        isMeant(timing) ? timing.merging(["median_ns": 1e9]) { $1 } : timing
      }
      let text = try JSONSerialization.data(withJSONObject: document)
      try line.write(String(decoding: text, as: UTF8.self), "slow.json")
      #expect(try line.run("timings import @/slow.json --json").code == 0)
      return timings.count(where: isMeant)
    }
    #expect(try step() < 1)
    #expect(try slow(own) > 0)
    #expect(try step() > 1)
  }

  @Test func `a run records its kernels unless told not to`() throws {
    let line = try CommandLine()
    _ = try line.run("search tiny-gpt2 --devices 2 --emit @/plan.json")
    #expect(try line.run("execute @/plan.json --no-record").code == 0)
    #expect((try line.run("timings list --json").json()["timings"] as? [Any])?.isEmpty == true)
    #expect(try line.run("execute @/plan.json --timings @/timings-own.db").code == 0)
    let own = try line.run("timings list --json --timings @/timings-own.db").json()
    #expect((own["timings"] as? [Any])?.isEmpty == false)
  }
}
