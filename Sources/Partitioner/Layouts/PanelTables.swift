import PlanIR

/// The tables that SUMMA and Tesseract share: blocks over `row` and `col`, rows of activations over
/// `batch`, which is `row` with whatever is major to it.
struct PanelTables {
  let context: LayoutContext
  /// Axes that split the batch beside `row`, major to it.
  let outer: [AxisReference]
  let row: [AxisReference]
  let column: [AxisReference]

  private static let embedding = LinearRole(from: .logits, to: .stream)
  private static let head = LinearRole(from: .stream, to: .logits)

  var rows: [AxisReference] { outer + row }

  func storage(of state: ValueState) -> DimensionAxes {
    DimensionAxes([.batch: rows]).and(context.columns(state, over: column))
  }

  /// Whether the head multiplies by the table as the embedding stores it.
  private var headReadsTable: Bool { context.isTied && context.tableForm != .head }

  func weight(of linear: LinearRole) -> DimensionAxes {
    if linear == Self.embedding || (linear == Self.head && headReadsTable) {
      return context.tableForm == .head
        ? DimensionAxes([.vocabulary: column, .hidden: row])
        : DimensionAxes([.vocabulary: row, .hidden: column])
    }
    return context.inRows(linear.from, over: row).and(context.outColumns(linear, over: column))
  }

  func factors(of linear: LinearRole) -> DimensionAxes {
    if linear == Self.embedding { return embedding }
    let columns =
      linear == Self.head && headReadsTable
      ? DimensionAxes([.hidden: column]) : context.outColumns(linear, over: column)
    return DimensionAxes([.batch: rows]).and(columns)
  }

  /// Gathered: rows of the table come to each device. Scattered: each looks all tokens up in its
  /// rows and the results are scattered. Head: columns come, results are scattered.
  private var embedding: DimensionAxes {
    switch context.tableForm {
    case .gathered: DimensionAxes([.batch: rows, .hidden: column])
    case .scattered: DimensionAxes([.batch: outer, .vocabulary: row, .hidden: column])
    case .head: DimensionAxes([.batch: rows, .vocabulary: column])
    }
  }
}
