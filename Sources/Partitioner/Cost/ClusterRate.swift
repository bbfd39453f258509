package import PlanIR

/// A figure of a cluster that decides how long a step takes.
package enum ClusterRate: Hashable, Sendable {
  /// Bytes a second of the level at this place.
  case bandwidth(level: Int)
  /// Seconds of a message on the level at this place.
  case latency(level: Int)
  /// Dense matmul peak with operands of this many bits, FLOP/s.
  case matmulFlops(bits: Int)
  /// Bytes a second to and from a device's memory.
  case memoryBandwidth

  /// Those that prices of `precision` on `cluster` depend on.
  package static func all(of cluster: Cluster, _ precision: Precision) -> [ClusterRate] {
    cluster.levels.indices.map { .bandwidth(level: $0) }
      + cluster.levels.indices.map { .latency(level: $0) }
      + [.matmulFlops(bits: precision == .fp32 ? 32 : 16), .memoryBandwidth]
  }

  /// Its value on `cluster`, in bytes a second, seconds or FLOP/s.
  package func value(on cluster: Cluster) -> Double { cluster[keyPath: place] }

  /// `cluster` with another value of it.
  package func setting(_ value: Double, on cluster: Cluster) -> Cluster {
    var cluster = cluster
    cluster[keyPath: place] = value
    return cluster
  }

  /// Whether it changes what kernels take, not what is sent.
  var isOfDevice: Bool {
    switch self {
    case .bandwidth, .latency: false
    case .matmulFlops, .memoryBandwidth: true
    }
  }

  /// Whether steps take longer, if anything, with `value` than with `other`.
  func isSlower(at value: Double, than other: Double) -> Bool {
    if case .latency = self { return value > other }
    return value < other
  }

  private var place: WritableKeyPath<Cluster, Double> {
    switch self {
    case .bandwidth(let level): \.levels[level].bandwidth
    case .latency(let level): \.levels[level].latency
    case .matmulFlops(let bits): bits == 32 ? \.device.matmulFlops32 : \.device.matmulFlops16
    case .memoryBandwidth: \.device.memoryBandwidth
    }
  }
}
