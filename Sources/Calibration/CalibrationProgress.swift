package import PlanIR

/// One step of a calibration: what was measured and stored, in which pass, and how many of how many are done in
/// that pass.
package struct CalibrationProgress: Sendable {
  package let key: TimingKey
  package let timing: Timing
  package let pass, done, total: Int
}
