package import PlanIR

/// One step of a calibration: what was measured and stored, and how many of how many that makes.
package struct CalibrationProgress: Sendable {
  package let key: TimingKey
  package let timing: Timing
  package let done, total: Int
}
