import Formats
import Partitioner
import PlanIR

/// Where a time comes from, for people and for programs.
enum SourceText {
  /// `measured`, or `measured 80.0 %, interpolated 20.0 %`; nothing of no time.
  static func text(_ sources: SourcedTime) -> String {
    let parts = FigureSource.allCases.filter { sources[$0] > .zero }
    if parts.count == 1, let only = parts.first { return only.rawValue }
    let total = sources.total.seconds
    return parts.map { "\($0.rawValue) \(Units.percent(sources[$0].seconds / total))" }
      .joined(separator: ", ")
  }

  /// The same in parentheses after a time, where `isShown` and there is any.
  static func mark(_ sources: SourcedTime, isShown: Bool) -> String {
    let text = text(sources)
    return isShown && !text.isEmpty ? " (\(text))" : ""
  }

  /// Seconds by source.
  static func value(_ sources: SourcedTime) -> JSONValue {
    .object(
      FigureSource.allCases.map {
        JSONMember(key: $0.rawValue, value: .number(sources[$0].seconds))
      })
  }
}

extension Explanation {
  /// Whether anything in it was measured, so that figures say where they come from.
  var marksSources: Bool { sources[.measured] > .zero || sources[.interpolated] > .zero }
}
