/// Checks that shardings name axes that a mesh has, each part of an axis once.
package enum ShardingVerifier {
  /// Everything wrong with `sharding` on `mesh`; empty for a sound one.
  package static func faults(of sharding: Sharding, in mesh: Mesh) -> [String] {
    var faults: [String] = []
    var used: [AxisReference] = []
    for reference in sharding.axes + sharding.unreduced + sharding.chunks {
      guard mesh.axes.indices.contains(reference.axis) else {
        faults.append("axis \(reference.axis) of a mesh of \(mesh.axes.count)")
        continue
      }
      let size = mesh.axes[reference.axis].size
      let name = mesh.name(of: reference)
      if reference.size < 2 || reference.preSize < 1
        || size % (reference.preSize * reference.size) != 0
      {
        faults.append("\(name) is no part of an axis of \(size)")
      }
      if used.contains(where: { overlap($0, reference) }) { faults.append("\(name) twice") }
      used.append(reference)
    }
    return faults
  }

  /// Whether two parts of one axis share a factor of its coordinate.
  private static func overlap(_ left: AxisReference, _ right: AxisReference) -> Bool {
    left.axis == right.axis && left.preSize < right.preSize * right.size
      && right.preSize < left.preSize * left.size
  }
}
