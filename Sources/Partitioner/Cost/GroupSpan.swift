import PlanIR

/// How a group of devices lies over a cluster's networks: at each level, how many of its members
/// share one unit of that level.
struct GroupSpan: Hashable {
  /// Levels at which members meet that are not joined further inside, innermost first.
  private(set) var crossings: [Crossing] = []
  /// Members of the group.
  let size: Int

  /// A level that joins more members than the levels inside it.
  struct Crossing: Hashable {
    /// The level's place in the cluster.
    let level: Int
    /// Members in one unit of the level inside, and of this one.
    let inner, members: Int
  }

  /// The group over `axes` of `mesh`, of which `placement` says how much of each axis lies inside a
  /// node: nodes are numbered row-major over the parts across, devices of a node over those inside,
  /// and the part inside is the minor one of its axis.
  init(
    over axes: [AxisReference], of mesh: Mesh, placement: [AxisPlacement], cluster: Cluster
  ) {
    self.init(over: axes, MeshDigits(mesh: mesh, placement: placement), cluster)
  }

  /// As above, of a mesh whose numbers are known.
  init(
    over axes: borrowing [AxisReference], _ digits: borrowing MeshDigits,
    _ cluster: borrowing Cluster
  ) {
    size = axes.groupSize
    var inner = 1
    let perNode = cluster.devicesPerNode
    crossings.reserveCapacity(cluster.levels.count)
    for (index, level) in cluster.levels.enumerated() {
      let unit = level.devices.map { digits.unit($0, perNode) }
      let members = unit.map { digits.members(of: axes, sharing: $0) } ?? size
      if members > inner {
        crossings.append(Crossing(level: index, inner: inner, members: members))
        inner = members
      }
    }
  }

  /// The outermost level that the group crosses; nil of a group of one.
  var outermost: Int? { crossings.last?.level }
}

/// A mesh's devices as numbers of mixed radix: parts of axes across nodes, then parts inside.
struct MeshDigits: Sendable {
  private let mesh: Mesh
  private let inside: [Int]
  /// Devices between two that differ by one in an axis's part across nodes, or in that inside.
  private var acrossStride: [Int]
  private var insideStride: [Int]

  init(mesh: Mesh, placement: [AxisPlacement]) {
    self.mesh = mesh
    inside = mesh.axes.map { axis in
      placement.first { $0.axis == axis.name }?.insideNode ?? axis.size
    }
    insideStride = inside
    acrossStride = inside
    var stride = 1
    for index in mesh.axes.indices.reversed() {
      insideStride[index] = stride
      stride *= inside[index]
    }
    for index in mesh.axes.indices.reversed() {
      acrossStride[index] = stride
      stride *= mesh.axes[index].size / inside[index]
    }
  }

  private var perNode: Int { inside.reduce(1, *) }

  /// How many of the mesh's devices a unit of `devices` holds, where nodes have `devicesPerNode`: all where it has room
  /// for them; beyond, nodes that the mesh does not fill count as full.
  fileprivate func unit(_ devices: Int, _ devicesPerNode: Int) -> Int {
    if mesh.deviceCount <= devices { return mesh.deviceCount }
    if devices <= devicesPerNode { return min(devices, perNode) }
    return max(1, devices / devicesPerNode) * perNode
  }

  /// Members of a group over `axes` that share a unit of `unit` consecutive devices.
  fileprivate func members(of axes: [AxisReference], sharing unit: Int) -> Int {
    axes.reduce(1) { $0 * members(of: $1, sharing: unit) }
  }

  private func members(of axis: AxisReference, sharing unit: Int) -> Int {
    let size = mesh.axes[axis.axis].size
    let across = size / inside[axis.axis]
    let (start, end) = (axis.preSize, axis.preSize * axis.size)
    if start < across && end > across && across % start != 0 { return 1 }
    var members = 1
    if start < across {
      let stop = min(end, across)
      members *= shared(stop / start, stride: acrossStride[axis.axis] * (across / stop), unit)
    }
    if end > across {
      let begin = max(start, across)
      members *= shared(end / begin, stride: insideStride[axis.axis] * (size / end), unit)
    }
    return members
  }

  /// Of `count` devices `stride` apart those that share a unit with the first.
  private func shared(_ count: Int, stride: Int, _ unit: Int) -> Int {
    greatestCommonDivisor(count, max(1, unit / stride))
  }
}
