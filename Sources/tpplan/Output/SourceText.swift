import Formats
import Partitioner
import PlanIR

/// Where a time comes from, for people and for programs.
enum SourceText {
  /// `measured`, or `measured 80.0 %, interpolated 20.0 % (+- 6.0 %)`; nothing of no time.
  static func text(_ sources: SourcedTime) -> String {
    let parts = FigureSource.allCases.filter { sources[$0] > .zero }
    if parts.count == 1, let only = parts.first {
      return text(FigureBasis(only, uncertainty: sources.uncertainty(of: only)))
    }
    let total = sources.total.seconds
    return parts.map { source in
      "\(source.rawValue) \(Units.percent(sources[source].seconds / total))"
        + (sources.uncertainty(of: source).map { " (\(margin($0)))" } ?? "")
    }.joined(separator: ", ")
  }

  /// `interpolated +- 6.0 %`, or without where that is not known.
  static func text(_ basis: FigureBasis) -> String {
    basis.source.rawValue + (basis.uncertainty.map { " " + margin($0) } ?? "")
  }

  private static func margin(_ share: Double) -> String { "+- " + Units.percent(share) }

  /// The same in parentheses after a time, where `isShown` and there is any.
  static func mark(_ sources: SourcedTime, isShown: Bool) -> String {
    let text = text(sources)
    return isShown && !text.isEmpty ? " (\(text))" : ""
  }

  /// Seconds by source, and how far those that were not measured may be off.
  static func value(_ sources: SourcedTime) -> JSONValue {
    .object(
      FigureSource.allCases.map {
        JSONMember(key: $0.rawValue, value: .number(sources[$0].seconds))
      }
        + [FigureSource.interpolated, .modelled].map { source in
          JSONMember(
            key: source.rawValue + "_uncertainty",
            value: sources.uncertainty(of: source).map { .number($0) } ?? .null)
        })
  }
}

extension Explanation {
  /// Whether anything in it was measured, so that figures say where they come from.
  var marksSources: Bool { sources[.measured] > .zero || sources[.interpolated] > .zero }
}
