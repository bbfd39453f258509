package import Foundation
package import Testing

/// Texts kept in `Tests/Goldens`; `TPPLAN_RECORD=1 swift test` writes them anew.
package enum Golden {
  /// Holds `text` against the golden `name`.
  package static func check(
    _ text: String, _ name: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let file = folder.appendingPathComponent(name)
    if ProcessInfo.processInfo.environment["TPPLAN_RECORD"] == "1" {
      try Data(text.utf8).write(to: file)
      return
    }
    let expected = try String(contentsOf: file, encoding: .utf8)
    guard text != expected else { return }
    let pairs = zip(
      text.split(separator: "\n", omittingEmptySubsequences: false),
      expected.split(separator: "\n", omittingEmptySubsequences: false))
    let line = pairs.enumerated().first { $1.0 != $1.1 }
    Issue.record(
      """
      \(name) differs\(line.map { " in line \($0.offset + 1):\n  found    \($0.element.0)\n  expected \($0.element.1)" } ?? " in length")
      TPPLAN_RECORD=1 swift test writes it anew
      """, sourceLocation: sourceLocation)
  }

  /// The repository's root.
  package static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  private static let folder = root.appendingPathComponent("Tests/Goldens")
}
