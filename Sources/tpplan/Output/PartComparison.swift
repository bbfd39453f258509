import Executor
import Formats
import Partitioner
import PlanIR

/// What a step's CPU time goes to, all devices added up, beside what it is priced at; the largest first.
struct PartComparison {
  private let rows: [Row]

  private struct Row {
    let part: ProgramPart
    /// Times a step.
    let count: Int
    /// CPU seconds of a step.
    let priced, measured: Double
  }

  /// Of a run in which `steps` were measured.
  init(_ run: RunResult, _ priced: PricedParts, steps: Int) {
    rows = Set(run.parts.keys).union(priced.times.keys).map { part in
      let measured = run.parts[part, default: PartTime()]
      return Row(
        part: part, count: measured.count / steps,
        priced: priced.times[part, default: PartTime()].seconds,
        measured: measured.seconds / Double(steps))
    }.sorted { $0.measured == $1.measured ? $0.part < $1.part : $0.measured > $1.measured }
  }

  /// A line a part, and one of all.
  var text: String {
    var table = Table(["CPU time of all devices", "times a step", "priced", "measured", ""])
    func add(_ name: String, _ count: String, _ priced: Double, _ measured: Double) {
      let change = measured > 0 && priced > 0 ? Units.change(priced / measured - 1) : ""
      table.add([name, count, Units.seconds(priced), Units.seconds(measured), change])
    }
    for row in rows {
      let count = row.part == .between ? "" : Units.count(row.count)
      add(row.part.name, count, row.priced, row.measured)
    }
    func sum(_ value: (Row) -> Double) -> Double { rows.reduce(0) { $0 + value($1) } }
    add("all", "", sum(\.priced), sum(\.measured))
    return table.text
  }

  var document: JSONValue {
    .array(
      rows.map { row in
        .object([
          JSONMember(key: "part", value: .string(row.part.name)),
          JSONMember(key: "times", value: row.part == .between ? .null : .integer(row.count)),
          JSONMember(key: "priced_seconds", value: .number(row.priced)),
          JSONMember(key: "measured_seconds", value: .number(row.measured)),
        ])
      })
  }
}
