import PlanIR

extension PlanChoices {
  /// Axes of a mesh that are no layout's.
  private static let outerAxes: Set<String> = ["data", "pipeline", "context"]

  /// What each axis of `layout` is in the plan's mesh, for blocks of class `blockClass`: the axis of
  /// its name, or in a mixture the axes and parts of axes that it is made of, both meshes numbered
  /// row-major.
  func axes(
    of layout: any Layout, in blockClass: BlockClass
  ) throws(ConstraintViolation) -> NamedAxes {
    guard let degrees = blockMeshes[blockClass] else {
      return NamedAxes(layout.axisNames.map { ($0, mesh.whole($0)) })
    }
    let whole = mesh.axes.indices.filter { !Self.outerAxes.contains(mesh.axes[$0].name) }
    var result: [(String, [AxisReference])] = []
    var before = 1
    for axis in try layout.axes(for: degrees) {
      result.append((axis.name, try parts(of: axis, before: before, over: whole)))
      before *= axis.size
    }
    guard before == tensorDegree else {
      throw ConstraintViolation(
        constraint: "every block's mesh has as many devices",
        found: "\(blockClass.rawValue) \(before)", needed: "\(tensorDegree)",
        remedy: "a mesh of \(tensorDegree)")
    }
    return NamedAxes(result)
  }

  /// The parts of mesh axes that make up `axis`, which has `before` positions major to it.
  private func parts(
    of axis: MeshAxis, before: Int, over whole: [Int]
  ) throws(ConstraintViolation) -> [AxisReference] {
    var result: [AxisReference] = []
    var start = 1
    for index in whole {
      let size = mesh.axes[index].size
      let (low, high) = (max(start, before), min(start * size, before * axis.size))
      if low < high {
        guard low % start == 0, high % low == 0, size % (high / start) == 0 else {
          throw ConstraintViolation(
            constraint: "meshes of a mixture divide each other",
            found: "\(axis.name) \(axis.size) over \(mesh.axes[index].name) \(size)",
            needed: "\(axis.name) made of whole parts of the mesh's axes",
            remedy: "meshes whose degrees divide each other")
        }
        result.append(AxisReference(axis: index, preSize: low / start, size: high / low))
      }
      start *= size
    }
    return result.merged
  }
}
