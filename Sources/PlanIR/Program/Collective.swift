/// A communication among the devices of a group, on one dimension of a tensor or all its elements.
package enum Collective: Hashable, Sendable {
  /// Parts of a dimension become the whole on each.
  case allGather(Dimension)
  /// Partial sums become sums, each device keeping its part of a dimension.
  case reduceScatter(Dimension, Reduction)
  /// Chunks of a flattened part become the whole part on each.
  case gatherChunks
  /// Partial sums become sums, each device keeping its chunk of the flattened part.
  case scatterChunks(Reduction)
  /// Partial values become their whole on each.
  case allReduce(Reduction)
  /// Partial values of the first and the last along an axis become their whole on both; none between
  /// take part.
  case allReduceEnds(Reduction)
  /// The root's value on each.
  case broadcast(root: DeviceExpression)
  /// Partial values become their whole on the root.
  case reduce(root: DeviceExpression, Reduction)
  /// Parts of one dimension become parts of another.
  case allToAll(split: Dimension, concatenate: Dimension)
  /// Each device's value goes to the one `shift` further along an axis, round the end.
  case permute(shift: Int)

  /// The name in answers and traces.
  package var name: String {
    switch self {
    case .allGather, .gatherChunks: "all-gather"
    case .reduceScatter, .scatterChunks: "reduce-scatter"
    case .allReduce, .allReduceEnds: "all-reduce"
    case .broadcast: "broadcast"
    case .reduce: "reduce"
    case .allToAll: "all-to-all"
    case .permute: "permute"
    }
  }

  /// The devices of one group over `axes` that take part.
  package func groupSize(over axes: [AxisReference]) -> Int {
    if case .allReduceEnds = self { return min(axes.groupSize, 2) }
    return axes.groupSize
  }

  /// Bytes that cross between the devices of one group of `size`, where the whole buffer has
  /// `bytes` (all-to-all and permute: what one device holds).
  package func groupBytes(size: Int, bytes: Int) -> Int {
    switch self {
    case .allGather, .reduceScatter, .gatherChunks, .scatterChunks, .broadcast, .reduce, .allToAll:
      bytes * (size - 1)
    case .allReduce: 2 * bytes * (size - 1)
    // What either end receives: the two are calls of different stages.
    case .allReduceEnds: bytes * (size - 1)
    case .permute: size > 1 ? bytes * size : 0
    }
  }
}

/// An integer that depends on a device's coordinates: `constant + sum of stride x coordinate`.
package struct DeviceExpression: Hashable, Sendable {
  package var constant: Int
  package var terms: [Term]

  /// One coordinate's share.
  package struct Term: Hashable, Sendable {
    package var axis: AxisReference
    package var stride: Int

    package init(axis: AxisReference, stride: Int) {
      self.axis = axis
      self.stride = stride
    }
  }

  package init(_ constant: Int, terms: [Term] = []) {
    self.constant = constant
    self.terms = terms
  }

  /// The value on `device`.
  package func value(on device: Int, in mesh: Mesh) -> Int {
    terms.reduce(constant) { $0 + $1.stride * mesh.coordinate(of: device, along: $1.axis) }
  }
}
