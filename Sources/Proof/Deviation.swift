/// How far computed tensors are from the reference's.
package enum Deviation {
  /// `max|a - b| / max(max|b|, floor)`.
  package static func between(_ a: [Double], _ b: [Double], floor: Double) -> Double {
    guard a.count == b.count else { return .infinity }
    var difference = 0.0
    var scale = floor
    for (left, right) in zip(a, b) {
      let distance = (left - right).magnitude
      guard distance.isFinite else { return .infinity }
      difference = max(difference, distance)
      scale = max(scale, right.magnitude)
    }
    return difference == 0 ? 0 : difference / scale
  }

  /// The largest deviation among tensors of a kind and whose it is; the floor is a hundredth of the
  /// largest element of all of them, for some gradients are zero but for rounding.
  package static func largest(
    of computed: CheckpointTensors, from expected: CheckpointTensors
  ) -> (value: Double, worst: String?) {
    let largest = expected.tensors.values.map { $0.values.largestMagnitude }.max() ?? 0
    var result: (value: Double, worst: String?) = (0, nil)
    for name in Set(computed.names + expected.names).sorted() {
      guard let a = computed.tensors[name], let b = expected.tensors[name] else {
        return (.infinity, name)
      }
      let deviation = between(a.values, b.values, floor: largest / 100)
      if deviation > result.value || result.worst == nil { result = (deviation, name) }
    }
    return result
  }
}

extension [Double] {
  /// The largest magnitude; zero of nothing.
  package var largestMagnitude: Double { reduce(0) { Swift.max($0, $1.magnitude) } }
}
