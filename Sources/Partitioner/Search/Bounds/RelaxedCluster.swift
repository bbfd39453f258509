package import PlanIR

extension Cluster {
  /// A cluster on which no group of a plan on `devices` meets slower networks than on this one, and a group that lies
  /// closer together none that are slower than one that lies further apart: what bounds of a search go by, who put
  /// replicas as close as they can on meshes that are parts of a plan's.
  ///
  /// Networks beyond the first that joins all devices are never crossed. Of the others those inside a node become one, and
  /// those outside, each with the highest bandwidth and the lowest latency among them; where none joins the very devices of a
  /// node, or one node holds all, all become one. A group's messages cross as many devices or more in as many steps, each over
  /// a network that is no faster. Derived; ``RelaxedClusterTests`` holds it to groups of drawn meshes.
  package func relaxed(for devices: Int) -> Cluster {
    let last = levels.firstIndex { $0.devices.map { $0 >= devices } ?? true }
    let crossed = levels.prefix((last ?? levels.count - 1) + 1)
    var result = self
    result.devicesPerNode = min(devicesPerNode, devices)
    guard let edge = crossed.dropLast().firstIndex(where: { $0.devices == devicesPerNode }),
      var inside = Level.fastest(crossed[...edge]),
      let outside = Level.fastest(crossed[(edge + 1)...])
    else {
      result.levels = Level.fastest(crossed).map { [$0] } ?? levels
      return result
    }
    inside.devices = devicesPerNode
    inside.bandwidth = max(inside.bandwidth, outside.bandwidth)
    inside.latency = min(inside.latency, outside.latency)
    result.levels = [inside, outside]
    return result
  }
}

extension Cluster.Level {
  /// One that joins every device, as fast as any of `levels` in each respect; nil of none.
  fileprivate static func fastest(_ levels: ArraySlice<Cluster.Level>) -> Cluster.Level? {
    levels.dropFirst().reduce(levels.first) { fastest, level in
      guard var fastest else { return nil }
      fastest.bandwidth = max(fastest.bandwidth, level.bandwidth)
      fastest.latency = min(fastest.latency, level.latency)
      return fastest
    }.map { fastest in
      var all = fastest
      all.devices = nil
      return all
    }
  }
}
