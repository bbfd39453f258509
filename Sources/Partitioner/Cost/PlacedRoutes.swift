import PlanIR

/// What a group of devices meets, by placement: under few of them something else.
struct DistinctRoutes {
  /// Each once.
  private(set) var all: [Route] = []
  /// By placement, which of them.
  private(set) var places: [UInt16] = []

  /// Of a group over `axes`, `costs` being those of placements on one cluster.
  init(over axes: [AxisReference], _ costs: [ClusterCost]) {
    var spans: [GroupSpan] = []
    var routes: [UInt16] = []
    places.reserveCapacity(costs.count)
    for placement in costs.indices {
      let span = costs[placement].span(of: axes)
      if let known = spans.firstIndex(of: span) {
        places.append(routes[known])
        continue
      }
      let route = costs[placement].route(over: span)
      let known = all.firstIndex(of: route)
      if known == nil { all.append(route) }
      spans.append(span)
      routes.append(UInt16(known ?? all.count - 1))
      places.append(routes[routes.count - 1])
    }
  }
}

/// What groups meet under placements on one cluster, found once for all that communicate over the same axes.
final class RouteTable {
  private let costs: [ClusterCost]
  private var known: [[AxisReference]: DistinctRoutes] = [:]

  init(_ costs: [ClusterCost]) { self.costs = costs }

  func routes(over axes: [AxisReference]) -> DistinctRoutes {
    if let found = known[axes] { return found }
    let made = DistinctRoutes(over: axes, costs)
    known[axes] = made
    return made
  }
}

/// What several groups of devices meet, by placement.
struct PlacedRoutes {
  /// How many placements.
  let count: Int
  /// Those of all groups, of each group each once.
  private var routes: [Route] = []
  /// By group, where its own begin; then where they end.
  private var starts = [0]
  /// By group, then placement, which of its own.
  private var places: [UInt16] = []

  /// Of `groups` under those placements alone that are numbered `placements`.
  init(_ groups: [DistinctRoutes], _ placements: [Int]) {
    count = placements.count
    for group in groups {
      routes += group.all
      starts.append(routes.count)
      for placement in placements { places.append(group.places[placement]) }
    }
  }

  /// Calls `tell` with what a message of `group` takes under each placement, in no order.
  func eachTime(
    _ group: Int, _ pattern: CollectiveUse.Pattern, bytes: Int, width: Int,
    _ tell: (_ placement: Int, Picoseconds) -> Void
  ) {
    let start = starts[group]
    for route in start..<starts[group + 1] {
      let time = routes[route].time(pattern, bytes: bytes, width: width)
      for placement in 0..<count
      where Int(places[group * count + placement]) == route - start {
        tell(placement, time)
      }
    }
  }
}

/// The placements of a mesh under which its groups meet the same, told once.
struct AlikePlacements {
  /// What groups meet under each that is told.
  let routes: PlacedRoutes
  /// By placement, which of those told it is like.
  let places: [Int]
  /// Under the first placement alone.
  let first: PlacedRoutes

  /// Of `placements` of a mesh.
  init(_ groups: [DistinctRoutes], placements: Int) {
    var places = [Int](repeating: 0, count: placements)
    var firsts = placements > 0 ? [0] : []
    for group in groups where group.all.count > 1 {
      // Pairs of what is told apart so far and what this group tells apart, as they come up.
      var pairs = [Int](repeating: -1, count: firsts.count * group.all.count)
      firsts.removeAll(keepingCapacity: true)
      for place in places.indices {
        let pair = places[place] * group.all.count + Int(group.places[place])
        if pairs[pair] < 0 {
          pairs[pair] = firsts.count
          firsts.append(place)
        }
        places[place] = pairs[pair]
      }
    }
    self.places = places
    routes = PlacedRoutes(groups, firsts)
    first = PlacedRoutes(groups, Array(firsts.prefix(1)))
  }
}
