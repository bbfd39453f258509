import PlanIR

/// What replicas meet at least that have the nodes to themselves, by how many there are: whatever else shares these
/// only drives them apart.
struct ClosestReplicas {
  private var known: [Int: [Route]] = [:]

  /// The routes one of which `count` replicas meet at least on nodes of `cluster`, which is relaxed; none where that is
  /// not known: of measured times.
  mutating func routes(_ count: Int, of cluster: Cluster, _ request: SearchRequest) -> [Route] {
    guard count > 1, request.timings.isEmpty else { return [] }
    if let found = known[count] { return found }
    let mesh = Mesh([MeshAxis("data", count)])
    let fills = Placement.fills(request.devices, perNode: cluster.devicesPerNode)
    let inside = Set(fills.flatMap { divisors(of: greatestCommonDivisor(count, $0)) }).sorted()
    let made = inside.map { inside in
      let placement = [
        AxisPlacement(axis: "data", insideNode: inside, acrossNodes: count / inside)
      ]
      let digits = MeshDigits(mesh: mesh, placement: placement)
      return Route(
        span: GroupSpan(over: mesh.whole("data"), digits, cluster), levels: cluster.levels,
        contention: cluster.contention(among: request.devices, request.timings),
        measured: CollectiveTimes(),
        width: request.training.workload.precision.bytes(of: .activation),
        bucket: cluster.device.operators.gradientBucket)
    }
    known[count] = made
    return made
  }
}
