/// A named axis of a mesh.
package struct MeshAxis: Hashable, Sendable {
  package var name: String
  package var size: Int

  package init(_ name: String, _ size: Int) {
    self.name = name
    self.size = size
  }
}

/// Devices arranged along named axes, numbered row-major, first axis major. Axes of size 1 are left
/// out.
package struct Mesh: Hashable, Sendable {
  package let axes: [MeshAxis]

  /// A mesh of those of `axes` that are larger than 1.
  package init(_ axes: [MeshAxis]) { self.axes = axes.filter { $0.size > 1 } }

  /// The number of devices.
  package var deviceCount: Int { axes.reduce(1) { $0 * $1.size } }

  /// The whole of axis `name`, or nil where the mesh has none of that name.
  package func axis(_ name: String) -> AxisReference? {
    axes.firstIndex { $0.name == name }.map {
      AxisReference(axis: $0, preSize: 1, size: axes[$0].size)
    }
  }

  /// The whole of axis `name` as a list: empty where its size is 1.
  package func whole(_ name: String) -> [AxisReference] { axis(name).map { [$0] } ?? [] }

  /// Each axis's coordinate of `device`.
  package func coordinates(of device: Int) -> [Int] {
    var rest = device
    var coordinates = [Int](repeating: 0, count: axes.count)
    for index in axes.indices.reversed() {
      coordinates[index] = rest % axes[index].size
      rest /= axes[index].size
    }
    return coordinates
  }

  /// The coordinate of `device` along a whole axis or a sub-axis.
  package func coordinate(of device: Int, along reference: AxisReference) -> Int {
    device / stride(of: reference) % reference.size
  }

  /// Devices between two that differ by one along `reference`.
  package func stride(of reference: AxisReference) -> Int {
    let inner = axes[(reference.axis + 1)...].reduce(1) { $0 * $1.size }
    return inner * axes[reference.axis].size / (reference.preSize * reference.size)
  }

  /// The position of `device` among those that differ along `references` only, major first.
  package func index(of device: Int, along references: [AxisReference]) -> Int {
    references.reduce(0) { $0 * $1.size + coordinate(of: device, along: $1) }
  }

  /// The devices that differ from `device` along `references` only, in the order of their index.
  package func group(of device: Int, over references: [AxisReference]) -> [Int] {
    var members = [device]
    for reference in references {
      let stride = stride(of: reference)
      members = members.flatMap { member in
        let base = member - coordinate(of: member, along: reference) * stride
        return (0..<reference.size).map { base + $0 * stride }
      }
    }
    return members
  }

  /// `references` joined with `+` in mesh order, sub-axes as `axis:(pre)size`.
  package func name(of references: [AxisReference]) -> String {
    references.joined.map(name(of:)).joined(separator: "+")
  }

  /// The name of an axis, or `axis:(pre)size` of a sub-axis.
  package func name(of reference: AxisReference) -> String {
    let axis = axes[reference.axis]
    if reference.preSize == 1 && reference.size == axis.size { return axis.name }
    return "\(axis.name):(\(reference.preSize))\(reference.size)"
  }
}

/// A whole axis, or the sub-axis of `size` that has `preSize` major to it (Shardy's
/// `axis:(preSize)size`).
package struct AxisReference: Hashable, Sendable, Comparable {
  /// The place of the axis in its mesh.
  package var axis: Int
  package var preSize: Int
  package var size: Int

  package init(axis: Int, preSize: Int, size: Int) {
    self.axis = axis
    self.preSize = preSize
    self.size = size
  }

  /// Mesh order: by axis, then major sub-axes first.
  package static func < (left: AxisReference, right: AxisReference) -> Bool {
    (left.axis, left.preSize, left.size) < (right.axis, right.preSize, right.size)
  }

  /// This axis cut in two: `majorSize` parts major, the rest minor; parts of size 1 left out.
  package func split(majorSize: Int) -> (major: [AxisReference], minor: [AxisReference]) {
    let minorSize = size / majorSize
    let major = AxisReference(axis: axis, preSize: preSize, size: majorSize)
    let minor = AxisReference(axis: axis, preSize: preSize * majorSize, size: minorSize)
    return (majorSize > 1 ? [major] : [], minorSize > 1 ? [minor] : [])
  }
}

extension [AxisReference] {
  /// In mesh order, neighbouring parts of one axis as one: `x:(1)2, x:(2)4` is `x:(1)8`.
  package var joined: [AxisReference] {
    if count < 2 { return self }
    return sorted().reduce(into: []) { result, next in
      if let last = result.last, last.axis == next.axis,
        last.preSize * last.size == next.preSize
      {
        result[result.count - 1].size *= next.size
      } else {
        result.append(next)
      }
    }
  }

  /// In the order given, neighbours that are major and minor part of one axis as one part: what a
  /// dimension split by `x:(1)2, x:(2)4` is split by is `x:(1)8`.
  package var merged: [AxisReference] {
    if count < 2 { return self }
    return reduce(into: []) { result, next in
      if let last = result.last, last.axis == next.axis,
        last.preSize * last.size == next.preSize
      {
        result[result.count - 1].size *= next.size
      } else {
        result.append(next)
      }
    }
  }

  /// The number of devices in a group over these axes.
  package var groupSize: Int { reduce(1) { $0 * $1.size } }

  /// These, in their order, without what overlaps `others`; both refined to parts that are equal or
  /// apart first.
  package func subtracting(_ others: [AxisReference]) -> [AxisReference] {
    if isEmpty || others.isEmpty { return self }
    if areEqualOrApart(others) { return filter { !others.contains($0) } }
    let cuts = AxisCuts(self + others)
    let removed = Set(cuts.refined(others))
    return cuts.refined(self).filter { !removed.contains($0) }.merged
  }

  /// Whether each of these is one of `others` or shares no axis with any: nothing to refine.
  private func areEqualOrApart(_ others: [AxisReference]) -> Bool {
    allSatisfy { own in others.allSatisfy { $0.axis != own.axis || $0 == own } }
  }

  /// The parts of these that overlap `others`, in their order.
  package func intersecting(_ others: [AxisReference]) -> [AxisReference] {
    if areEqualOrApart(others) { return filter { others.contains($0) } }
    let cuts = AxisCuts(self + others)
    let kept = Set(cuts.refined(others))
    return cuts.refined(self).filter { kept.contains($0) }.merged
  }
}

/// Where axes are cut into parts: parts that are cut at each other's ends are equal or share nothing.
package struct AxisCuts {
  /// By axis, ascending, each once: there are few enough that a look through them is the fastest.
  private var cuts: [(axis: Int, end: Int)] = []

  /// The cuts that `references` make.
  package init(_ references: [AxisReference]) {
    cuts.reserveCapacity(2 * references.count)
    for reference in references {
      insert(reference.axis, reference.preSize)
      insert(reference.axis, reference.preSize * reference.size)
    }
  }

  private mutating func insert(_ axis: Int, _ end: Int) {
    let place = cuts.firstIndex { ($0.axis, $0.end) >= (axis, end) } ?? cuts.count
    if place < cuts.count, cuts[place] == (axis, end) { return }
    cuts.insert((axis, end), at: place)
  }

  /// Whether along each axis every cut is a multiple of the one before: 2 and 6 are, 2 and 3 not.
  package var isEven: Bool {
    zip(cuts, cuts.dropFirst()).allSatisfy { $0.axis != $1.axis || $1.end % $0.end == 0 }
  }

  /// `references`, each cut wherever a cut lies inside it.
  package func refined(_ references: [AxisReference]) -> [AxisReference] {
    var parts: [AxisReference] = []
    parts.reserveCapacity(references.count)
    for reference in references {
      var start = reference.preSize
      let end = start * reference.size
      for cut in cuts where cut.axis == reference.axis && cut.end > start && cut.end < end {
        parts.append(AxisReference(axis: reference.axis, preSize: start, size: cut.end / start))
        start = cut.end
      }
      parts.append(AxisReference(axis: reference.axis, preSize: start, size: end / start))
    }
    return parts
  }
}
