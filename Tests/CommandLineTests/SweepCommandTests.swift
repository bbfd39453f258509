import Foundation
import Testing

@Suite struct SweepCommandTests {
  /// A sweep with one candidate or few a count.
  private static let quick = "sweep tiny-gpt2 --layout data --global-batch 64 --devices "

  @Test(arguments: [
    ("8", [8]), ("1..8", [1, 2, 4, 8]), ("8..9", [8]), ("3..20", [3, 6, 12]), ("4..4", [4]),
    ("8..30:8", [8, 16, 24]), ("8..32:8", [8, 16, 24, 32]), ("7..9:1", [7, 8, 9]),
    ("16,2,8,2", [2, 8, 16]), ("4..16,6,8..10:1", [4, 6, 8, 9, 10, 16]),
    ("1..64:1", Array(1...64)), ("1..16777216,5..7:3", (0...24).map { 1 << $0 } + [5]),
  ])
  func `device counts are lists, doublings and ranges`(_ words: String, _ counts: [Int]) throws {
    let document = try CommandLine().run(Self.quick + words + " --json").json()
    let rows = try #require(document["counts"] as? [[String: Any]])
    #expect(rows.map { $0["devices"] as? Int } == counts.sorted())
  }

  @Test(arguments: [
    "0", "x", "-8", "8,", ",", "8,,16", "8..", "..8", "8..4", "8...16", "8..16:", "8..16:0",
    "8:2", "8..16:x", "8..16:2:2", "8.5", "16777217", "99999999999999999999", "1..65:1",
    "1..16777216:1", "1..64:1,65", "+8", "8..16..32", "0x8", "8;16",
  ])
  func `other words are wrong usage and named`(_ words: String) throws {
    let outcome = try CommandLine().run(Self.quick + words)
    #expect(outcome.code == 64 && outcome.output.isEmpty)
    #expect(outcome.error.hasPrefix("Error: ") && outcome.error.contains("--devices"))
  }

  @Test(arguments: ["--json --csv", "--top 3", "--global-batch 0", "--mesh 2x2"])
  func `flags that contradict each other or are unknown end with 64`(_ flags: String) throws {
    let outcome = try CommandLine().run(
      words: [
        "sweep", "tiny-gpt2", "--devices", "2",
      ] + flags.split(separator: " ").map(String.init))
    #expect(outcome.code == 64 && outcome.output.isEmpty)
  }

  @Test(arguments: ["", "--memory 34MiB", "--layout megatron"])
  func `each row is the best plan of a search on as many devices`(_ flags: String) throws {
    let line = try CommandLine()
    let sweep = try line.run("sweep tiny-llama --devices 1..8,7 --json \(flags)")
    let document = try sweep.json()
    #expect(sweep.code == 0 && sweep.error.isEmpty)
    for row in try #require(document["counts"] as? [[String: Any]]) {
      let devices = try #require(row["devices"] as? Int)
      let search = try line.run("search tiny-llama --devices \(devices) --json --top 1 \(flags)")
      let plans = try #require(try search.json()["plans"] as? [NSDictionary])
      #expect(row["plan"] as? NSDictionary == plans.first, "\(devices) devices")
      #expect((row["reasons"] != nil) == plans.isEmpty)
    }
  }

  @Test func `figures of a row follow from its plan and the first row`() throws {
    let document = try CommandLine().run(
      "sweep tiny-gpt2 --devices 3..8:1 --pipeline 1 --context 1 --json"
    ).json()
    #expect(document["schema"] as? String == "tpplan.sweep/1")
    let rows = try #require(document["counts"] as? [[String: Any]])
    let fitting = rows.filter { $0["plan"] is [String: Any] }
    #expect(fitting.count < rows.count && document["baseline"] as? Int == 4)
    let first = try #require(fitting.first?["step_seconds"] as? Double)
    for row in fitting {
      let plan = try #require(row["plan"] as? [String: Any])
      let step = try #require(plan["step_seconds"] as? Double)
      let devices = Double(try #require(row["devices"] as? Int))
      let figures: [(String, Double)] = [
        ("step_seconds", step), ("tokens_per_second", 8 * 32 / step),
        ("device_hours_per_billion_tokens", step * devices / 3600 / (8 * 32) * 1e9),
        ("speedup", first / step), ("efficiency", first / step / (devices / 4)),
      ]
      for (name, expected) in figures {
        let found = try #require(row[name] as? Double)
        #expect(abs(found - expected) <= 1e-12 * expected, "\(name) of \(devices)")
      }
      let memory = plan["memory"] as? [String: Int]
      #expect(row["memory_bytes"] as? Int == memory?["total"])
    }
    #expect((document["knee"] as? [String: Any])?["devices"] as? Int == 4)
  }

  @Test(arguments: [
    ("--devices 4..8", 0), ("--devices 7,8", 0), ("--devices 7", 1),
    ("--devices 2..8 --memory 1", 1),
    ("--devices 2..4 --layout any", 1), ("--devices 2..4 --sequence 65", 1),
  ])
  func `a sweep ends with 0 where any count fits, else with 1, in every form`(
    _ flags: String, _ code: Int32
  ) throws {
    for form in ["", " --json", " --csv"] {
      let outcome = try CommandLine().run("sweep tiny-gpt2 \(flags)\(form)")
      #expect(outcome.code == code && !outcome.output.isEmpty && outcome.error.isEmpty)
    }
  }

  @Test func `a count at which nothing fits has reasons and the plan that needs least`() throws {
    let outcome = try CommandLine().run("sweep tiny-gpt2 --devices 1..4,7 --memory 34MiB --json")
    let rows = try #require(try outcome.json()["counts"] as? [[String: Any]])
    for row in rows where row["plan"] is NSNull {
      let reasons = try #require(row["reasons"] as? [[String: String]])
      #expect(reasons.allSatisfy { Set($0.keys) == ["constraint", "found", "needed", "try"] })
      #expect(!reasons.isEmpty && row["step_seconds"] is NSNull)
      #expect((row["nearest"] is NSNull) == (row["devices"] as? Int == 7))
    }
    #expect(rows.map { $0["plan"] is NSNull } == [true, false, false, true])
  }

  @Test func `comma-separated values have the rows of the JSON answer`() throws {
    let line = try CommandLine()
    let sweep = "sweep tiny-gpt2 --devices 1..8,7 "
    let text = try line.run(sweep + "--csv").output
    #expect(text.hasSuffix("\r\n"))
    let records = Self.records(text)
    let header = try #require(records.first)
    let rows = try #require(try line.run(sweep + "--json").json()["counts"] as? [[String: Any]])
    #expect(records.count == rows.count + 1 && records.allSatisfy { $0.count == header.count })
    for (record, row) in zip(records.dropFirst(), rows) {
      let fields = Dictionary(uniqueKeysWithValues: zip(header, record))
      #expect(fields["plan"] == row["plan_text"] as? String ?? "")
      for name in ["devices", "step_seconds", "memory_bytes", "efficiency", "gain", "gain_over"] {
        // Foundation reads numbers to 16 digits.
        let (found, expected) = (Double(fields[name] ?? ""), row[name] as? Double)
        #expect((found == nil) == (expected == nil))
        let deviation = abs((found ?? 1) / (expected ?? 1) - 1)
        #expect(deviation < 1e-12, "\(name)")
      }
      #expect((fields["reason"] == "") == (row["reasons"] == nil))
    }
    #expect(records.count { $0[header.firstIndex(of: "knee") ?? 0] == "true" } == 1)
  }

  /// Records as RFC 4180 has them.
  private static func records(_ text: String) -> [[String]] {
    var records: [[String]] = [[""]]
    var isQuoted = false
    for character in text {
      switch character {
      case "\"": isQuoted.toggle()
      case "," where !isQuoted: records[records.count - 1].append("")
      case "\r\n" where !isQuoted: records.append([""])
      default: records[records.count - 1][records[records.count - 1].count - 1].append(character)
      }
    }
    return Array(records.dropLast())
  }
}
