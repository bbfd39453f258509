/// Rows in aligned columns: the first column to the left, figures to the right.
struct Table {
  private var rows: [[String]] = []
  private let leftColumns: Set<Int>

  /// A table with `header`; `left` are the columns of text.
  init(_ header: [String], left: Set<Int> = [0]) {
    rows = [header]
    leftColumns = left
  }

  mutating func add(_ row: [String]) { rows.append(row) }

  /// The rows, columns two spaces apart.
  var text: String {
    let count = rows.map(\.count).max() ?? 0
    let widths = (0..<count).map { column in
      rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    return rows.map { row in
      let cells = row.enumerated().map { column, cell in
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        return leftColumns.contains(column) ? cell + padding : padding + cell
      }
      return trimmed(cells.joined(separator: "  "))
    }.joined(separator: "\n")
  }

  private func trimmed(_ line: String) -> String {
    var line = line
    while line.last == " " { line.removeLast() }
    return line
  }
}
