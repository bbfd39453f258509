package import PlanIR

/// What a calibration did.
package struct CalibrationOutcome: Sendable {
  /// What was measured, in the order of measuring.
  package var measured: [(key: TimingKey, timing: Timing)] = []
  /// How many had been measured before.
  package var skipped = 0
  /// Keys of those for which the budget did not suffice.
  package var left: [TimingKey] = []
  /// Keys of those whose operands exceed the memory limit.
  package var tooLarge: [TimingKey] = []
}
