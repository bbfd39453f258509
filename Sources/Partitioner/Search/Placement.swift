package import PlanIR

/// How mesh axes lie over nodes: of each axis a part inside a node, the rest across nodes.
package enum Placement {
  /// How many devices may lie together on nodes of `perNode`, most first: all where they fit, else as many as split
  /// `devices` evenly into parts that the fewest nodes that hold all have room for, and no multiple of which does. Of 12
  /// devices on nodes of 8 these are 6, two nodes of 6, and 4, of which one node holds two parts.
  package static func fills(_ devices: Int, perNode: Int) -> [Int] {
    if devices <= perNode { return [devices] }
    if devices % perNode == 0 { return [perNode] }
    let nodes = devices / perNode + 1
    var found: [Int] = []
    for part in divisors(of: devices).reversed() where part <= perNode {
      let fits = perNode / part * nodes >= devices / part
      if fits && !found.contains(where: { $0 % part == 0 }) { found.append(part) }
    }
    return found
  }

  /// Minor axes lie inside first, as far as they divide a node: devices numbered as the mesh numbers
  /// them.
  package static func innermostFirst(_ mesh: Mesh, perNode: Int) -> [AxisPlacement] {
    var room = fills(mesh.deviceCount, perNode: perNode)[0]
    var result: [AxisPlacement] = []
    for axis in mesh.axes.reversed() {
      let inside = greatestCommonDivisor(axis.size, room)
      room /= inside
      result.append(
        AxisPlacement(axis: axis.name, insideNode: inside, acrossNodes: axis.size / inside))
    }
    guard room == 1 else { return all(mesh, perNode: perNode).first ?? result.reversed() }
    return result.reversed()
  }

  /// Whether `placement` leaves devices as their mesh numbers them: nodes are filled by consecutive
  /// ones, axes that lie inside whole, then at most one in part.
  package static func isAsNumbered(_ placement: [AxisPlacement]) -> Bool {
    let inside = placement.reversed().drop { $0.acrossNodes == 1 }
    return inside.dropFirst().allSatisfy { $0.insideNode == 1 }
  }

  /// Every way to fill nodes with parts of axes, innermost first at the head.
  package static func all(_ mesh: Mesh, perNode: Int) -> [[AxisPlacement]] {
    var found: [[AxisPlacement]] = []
    for room in fills(mesh.deviceCount, perNode: perNode) {
      var inner: [AxisPlacement] = []
      fill(mesh.axes[...], room, &inner, &found)
    }
    return found
  }

  /// How many ways there are.
  package static func count(_ mesh: Mesh, perNode: Int) -> Int {
    fills(mesh.deviceCount, perNode: perNode).reduce(0) { $0 + count(mesh.axes[...], $1) }
  }

  private static func count(_ axes: ArraySlice<MeshAxis>, _ room: Int) -> Int {
    guard let axis = axes.last else { return room == 1 ? 1 : 0 }
    let most = greatestCommonDivisor(axis.size, room)
    var sum = 0
    for inside in 1...most where most % inside == 0 {
      sum += count(axes.dropLast(), room / inside)
    }
    return sum
  }

  private static func fill(
    _ axes: ArraySlice<MeshAxis>, _ room: Int, _ inner: inout [AxisPlacement],
    _ found: inout [[AxisPlacement]]
  ) {
    guard let axis = axes.last else { return found.append(inner.reversed()) }
    for inside in parts(of: axis, axes.dropLast(), room).reversed() {
      inner.append(
        AxisPlacement(axis: axis.name, insideNode: inside, acrossNodes: axis.size / inside))
      fill(axes.dropLast(), room / inside, &inner, &found)
      inner.removeLast()
    }
  }

  /// How much of `axis` may lie in `room` for `outer` axes to fill what is left of it.
  private static func parts(
    of axis: MeshAxis, _ outer: ArraySlice<MeshAxis>, _ room: Int
  ) -> [Int] {
    let most = greatestCommonDivisor(axis.size, room)
    if outer.isEmpty { return most == room ? [room] : [] }
    return divisors(of: most).filter { canFill(outer, room / $0) }
  }

  /// Whether parts of `axes` can fill `room`: as much of each as can be.
  private static func canFill(_ axes: ArraySlice<MeshAxis>, _ room: Int) -> Bool {
    var left = room
    for axis in axes where left > 1 { left /= greatestCommonDivisor(axis.size, left) }
    return left == 1
  }
}
