package import PlanIR

/// How far a search is.
package struct SearchProgress: Sendable {
  /// Sets of candidates that were looked at, and that wait.
  package var seen, waiting: Int
  /// The least that the next of them takes, where time is what is asked for.
  package var bound: Picoseconds?
  /// The best plan so far.
  package var best: Picoseconds?

  /// How often it is told, in sets that were looked at.
  static let interval = 256
}
