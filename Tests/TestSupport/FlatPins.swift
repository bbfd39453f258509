package import Partitioner
import PlanIR

extension Pins {
  /// One stage, no context axis, nothing computed again: a space small enough to be priced whole.
  package static var flat: Pins {
    var pins = Pins()
    (pins.pipeline, pins.context, pins.recompute) = (1, 1, Recomputation.none)
    return pins
  }
}
