/// Which axes split each dimension, by name: what a layout's tables are made of.
package struct DimensionAxes: Hashable, Sendable {
  /// In the order of dimensions, none without axes, so that equal assignments are equal values; few
  /// enough that a look through them is the fastest.
  private var entries: [Entry] = []

  private struct Entry: Hashable {
    let dimension: Dimension
    var axes: [AxisReference]
  }

  package init(_ table: KeyValuePairs<Dimension, [AxisReference]> = [:]) {
    entries.reserveCapacity(table.count)
    for (dimension, axes) in table { self[dimension] = axes }
  }

  package subscript(dimension: Dimension) -> [AxisReference] {
    get {
      for entry in entries where entry.dimension == dimension { return entry.axes }
      return []
    }
    set {
      let place = entries.firstIndex { $0.dimension >= dimension } ?? entries.count
      let isThere = place < entries.count && entries[place].dimension == dimension
      switch (isThere, newValue.isEmpty) {
      case (true, true): entries.remove(at: place)
      case (true, false): entries[place].axes = newValue
      case (false, false): entries.insert(Entry(dimension: dimension, axes: newValue), at: place)
      case (false, true): break
      }
    }
  }

  /// The dimensions that any axis splits.
  package var dimensions: [Dimension] { entries.map(\.dimension) }

  /// The sharding this gives a tensor of `dimensions`, with nothing unreduced.
  package func sharding(of dimensions: [Dimension]) -> Sharding {
    Sharding(dimensions: dimensions.map { self[$0] })
  }
}

/// For each dimension the axes that split it, major to minor, and the axes over which the devices
/// hold partial sums (Shardy's *unreduced*). An axis named nowhere means equal copies.
///
/// Order within a dimension is meaning: only its minor end can be gathered or scattered. Parts of an
/// axis that stand side by side are one, so that equal shardings are equal values.
package struct Sharding: Hashable, Sendable {
  package private(set) var dimensions: [[AxisReference]]
  /// In mesh order.
  package private(set) var unreduced: [AxisReference]
  /// Axes over which what is left of a device's part, flattened, is cut into chunks, uneven where
  /// they do not divide: parameters of a sharded optimizer. In mesh order.
  package private(set) var chunks: [AxisReference]

  package init(
    dimensions: [[AxisReference]], unreduced: [AxisReference] = [], chunks: [AxisReference] = []
  ) {
    let isMerged = dimensions.allSatisfy { $0.count < 2 }
    self.dimensions = isMerged ? dimensions : dimensions.map(\.merged)
    self.unreduced = unreduced.joined
    self.chunks = chunks.joined
  }

  /// Every axis that splits a dimension.
  package var axes: [AxisReference] { dimensions.flatMap(\.self) }

  /// The same split with other unreduced axes.
  package func with(unreduced: [AxisReference]) -> Sharding {
    var result = self
    result.unreduced = unreduced.joined
    return result
  }

  /// The same split, cut into chunks over `chunks`.
  package func with(chunks: [AxisReference]) -> Sharding {
    var result = self
    result.chunks = chunks.joined
    return result
  }

  /// Shardy-like text: `[{data}, {}, {tensor}] unreduced {pipeline}`, with `chunks {data}` where
  /// parts are cut into chunks.
  package func text(in mesh: Mesh) -> String {
    let parts = dimensions.map { axes in
      "{" + axes.map { mesh.name(of: $0) }.joined(separator: ", ") + "}"
    }
    let split = "[" + parts.joined(separator: ", ") + "]"
    return split + (unreduced.isEmpty ? "" : " unreduced {\(mesh.name(of: unreduced))}")
      + (chunks.isEmpty ? "" : " chunks {\(mesh.name(of: chunks))}")
  }
}
