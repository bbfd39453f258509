internal import PlanIR

/// A float64 value of the unsharded model and its place in the tape.
struct Tensor {
  /// The tape's number for this value; its gradient is kept under it.
  var slot: Int
  /// Major to minor; none for a scalar.
  var dimensions: [Dimension]
  /// The size of each of `dimensions`.
  var shape: [Int]
  /// Row-major.
  var elements: [Double]

  /// The size of the last dimension.
  var width: Int { shape.last ?? 1 }

  /// Elements over the last dimension's size.
  var rows: Int { elements.count / max(width, 1) }
}
