/// The largest plans that are searched and read: far beyond any that exist, and small enough that products of two of
/// these figures fit 64 bits.
package enum PlanLimits {
  /// Devices of a plan, and degrees along an axis.
  package static let devices = 1 << 24
  /// Sequences of a step, of a micro-batch, and micro-batches of a step.
  package static let sequences = 1 << 24
  /// Layers of a stage.
  package static let stageLayers = 1 << 24
}
