import Foundation
import Testing

/// The front of time and memory, as a list and as a plot.
@Suite struct ParetoTests {
  private static let search = "tiny-gpt2 --devices 4 --pareto --top 100 --pipeline 1 --layout summa"

  private func front() throws -> [(step: Double, memory: Int)] {
    let document = try CommandLine().run("search \(Self.search) --json").json()
    return try #require(document["plans"] as? [[String: Any]]).map { plan in
      let memory = try #require(plan["memory"] as? [String: Int])
      return (
        try #require(plan["step_seconds"] as? Double), try #require(memory["total"])
      )
    }
  }

  @Test func `each plan of a front takes longer and holds less than the one before`() throws {
    let front = try front()
    #expect(front.count > 2)
    for (plan, next) in zip(front, front.dropFirst()) {
      #expect(next.step >= plan.step && next.memory < plan.memory)
    }
  }

  @Test func `a program is told the whole front unless it asks for less`() throws {
    let search = "search tiny-gpt2 --devices 4 --pareto --pipeline 1 --layout summa --json"
    func count(_ more: String) throws -> Int {
      let document = try CommandLine().run(search + more).json()
      return try #require(document["plans"] as? [Any]).count
    }
    let whole = try count(" --top 100000")
    #expect(whole > 10)
    #expect(try count("") == whole)
    #expect(try count(" --top 3") == 3)
  }

  @Test func `of plans that hold least the one that takes least is found`() throws {
    let search = "search tiny-gpt2 --devices 4 --global-batch 32 --memory unlimited --json"
    func plans(_ more: String) throws -> [(step: Double, memory: Int)] {
      try #require(try CommandLine().run(search + more).json()["plans"] as? [[String: Any]]).map {
        let memory = try #require($0["memory"] as? [String: Int])
        return (try #require($0["step_seconds"] as? Double), try #require(memory["total"]))
      }
    }
    let leanest = try #require(try plans(" --pareto").last)
    let first = try #require(try plans(" --objective memory --top 1").first)
    #expect(leanest == first)
  }

  @Test func `the plot has the fastest plan at the upper left and the leanest at the lower right`()
    throws
  {
    let output = try CommandLine().run("search \(Self.search)").output
    let lines = output.components(separatedBy: "\n")
    let start = try #require(
      lines.firstIndex(of: "memory of the fullest device over step time"), "\(output)")
    let end = try #require(lines[start...].firstIndex { $0.contains("+---") })
    let points = lines[(start + 1)..<end].map { line in
      line.split(separator: "|", maxSplits: 1).last.map(String.init) ?? ""
    }
    #expect(points.count == 14)
    #expect(points.first?.first == "*" && points.last?.count == 64 && points.last?.last == "*")
    let marks = points.joined().count { $0 == "*" }
    let front = try front()
    #expect((3...front.count).contains(marks))
  }
}
