import Foundation
import Partitioner
import PlanIR

/// The plans that no other beats in time and memory both, as points: time to the right, memory upwards, both
/// on a logarithmic scale where the largest is more than ten times the least.
struct FrontPlot {
  private let plans: [RankedPlan]
  private static let (columns, rows) = (64, 14)

  init(_ plans: [RankedPlan]) { self.plans = plans }

  /// Lines with axes; nil of fewer than two points.
  var text: String? {
    let times = Scale(plans.map(\.predicted.step.seconds))
    let memory = Scale(plans.map { Double($0.predicted.memory.total.count) })
    guard plans.count > 1, let times, let memory else { return nil }
    var grid = Array(
      repeating: Array(repeating: Character(" "), count: Self.columns), count: Self.rows)
    for plan in plans {
      let column = times.place(plan.predicted.step.seconds, of: Self.columns)
      let row = memory.place(Double(plan.predicted.memory.total.count), of: Self.rows)
      grid[Self.rows - 1 - row][column] = "*"
    }
    let labels = [Units.bytes(memory.most), Units.bytes(memory.least)]
    let width = labels.map(\.count).max() ?? 0
    let lines = grid.enumerated().map { row, points in
      let label = row == 0 ? labels[0] : row == Self.rows - 1 ? labels[1] : ""
      return label.leftPadded(width) + " |" + trimmed(points)
    }
    let (first, last) = (Units.seconds(times.least), Units.seconds(times.most))
    let gap = max(1, Self.columns - first.count - last.count)
    let margin = String(repeating: " ", count: width + 2)
    return
      (["memory of the fullest device over step time"] + lines + [
        String(repeating: " ", count: width + 1) + "+"
          + String(repeating: "-", count: Self.columns),
        margin + first + String(repeating: " ", count: gap) + last,
      ]).joined(separator: "\n")
  }

  private func trimmed(_ points: [Character]) -> String {
    var points = points
    while points.last == " " { points.removeLast() }
    return String(points)
  }

  /// Where values lie between the least and the most of them.
  private struct Scale {
    let least, most: Double
    private let isLogarithmic: Bool

    /// Nil where all values are one, or none is positive.
    init?(_ values: [Double]) {
      guard let least = values.min(), let most = values.max(), least > 0, most > least else {
        return nil
      }
      (self.least, self.most) = (least, most)
      isLogarithmic = most > 10 * least
    }

    func place(_ value: Double, of count: Int) -> Int {
      let part =
        isLogarithmic
        ? log(value / least) / log(most / least) : (value - least) / (most - least)
      return min(count - 1, max(0, Int((part * Double(count - 1)).rounded())))
    }
  }
}

extension String {
  fileprivate func leftPadded(_ width: Int) -> String {
    String(repeating: " ", count: max(0, width - count)) + self
  }
}
