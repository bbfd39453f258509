import Formats
import Foundation
import Partitioner
import PlanIR
import TestSupport
import Testing

/// The cluster that bounds go by, against the one that plans are priced on.
@Suite struct RelaxedClusterTests {
  private static let patterns: [CollectiveUse.Pattern] = [
    .allGather, .reduceScatter, .allReduce, .broadcast, .reduce, .allToAll, .permute, .send,
    .exchange, .bucketedAllReduce,
  ]

  /// Networks of any nesting, some faster further out.
  private func cluster(_ random: inout SplitMix) -> Cluster {
    var cluster = SyntheticCluster.cluster
    cluster.devicesPerNode = [1, 2, 3, 4, 6, 8].randomElement(using: &random) ?? 1
    var devices = Bool.random(using: &random) ? cluster.devicesPerNode : 2
    cluster.levels = (0..<Int.random(in: 1...3, using: &random)).map { _ in
      let level = Cluster.Level(
        name: "drawn", devices: devices, bandwidth: pow(10, .random(in: 6...11, using: &random)),
        latency: pow(10, .random(in: -7 ... -3, using: &random)))
      devices *= Int.random(in: 2...4, using: &random)
      return level
    }
    cluster.levels[cluster.levels.count - 1].devices = nil
    return cluster
  }

  private func mesh(_ random: inout SplitMix) -> Mesh {
    Mesh(
      ["data", "pipeline", "row", "col"].map {
        MeshAxis($0, [1, 2, 3, 4, 6].randomElement(using: &random) ?? 1)
      })
  }

  private func cost(_ cluster: Cluster, _ mesh: Mesh, _ placement: [AxisPlacement]) -> ClusterCost {
    ClusterCost(cluster: cluster, precision: .mixed, mesh: mesh, placement: placement)
  }

  @Test func `no group of any placement meets slower networks than it does`() {
    let seed = SplitMix.seed
    var random = SplitMix(state: seed)
    for _ in 0..<2_000 {
      let (cluster, mesh) = (cluster(&random), mesh(&random))
      let relaxed = cluster.relaxed(for: mesh.deviceCount)
      let all = Placement.all(mesh, perNode: cluster.devicesPerNode)
      guard let placement = all.randomElement(using: &random) else { continue }
      let names = mesh.axes.map(\.name).filter { _ in Bool.random(using: &random) }
      let use = CollectiveUse(
        pattern: Self.patterns.randomElement(using: &random) ?? .allGather,
        axes: names.flatMap { mesh.whole($0) }, bytes: .random(in: 1...1 << 30, using: &random),
        width: 2, total: 0)
      let (least, own) = (
        cost(relaxed, mesh, placement).time(of: use), cost(cluster, mesh, placement).time(of: use)
      )
      // Each is rounded to a picosecond, and added up in another order.
      #expect(
        least.seconds <= own.seconds * (1 + 1e-12) + 2e-12,
        "seed \(seed): \(cluster.devicesPerNode) a node, \(cluster.levels), \(mesh), \(use)")
    }
  }

  /// A tensor mesh beside as many replicas as a node has devices, which is what bounds know of a plan.
  @Test func `a part of a plan's mesh lies in some way as close together as in the plan`() {
    let seed = SplitMix.seed
    var random = SplitMix(state: seed)
    for _ in 0..<2_000 {
      let (cluster, mesh) = (cluster(&random), mesh(&random))
      let relaxed = cluster.relaxed(for: mesh.deviceCount)
      let own = mesh.axes.filter { $0.name == "row" || $0.name == "col" }
      let placements = Placement.all(mesh, perNode: cluster.devicesPerNode)
      guard let placement = placements.randomElement(using: &random) else { continue }
      let names = own.map(\.name).filter { _ in Bool.random(using: &random) }
      let pattern = Self.patterns.randomElement(using: &random) ?? .allGather
      let bytes = Int.random(in: 1...1 << 30, using: &random)
      func time(_ cluster: Cluster, _ mesh: Mesh, _ placement: [AxisPlacement]) -> Double {
        let use = CollectiveUse(
          pattern: pattern, axes: names.flatMap { mesh.whole($0) }, bytes: bytes, width: 2, total: 0
        )
        return cost(cluster, mesh, placement).time(of: use).seconds
      }
      let fills = Placement.fills(mesh.deviceCount, perNode: relaxed.devicesPerNode)
      let least = fills.flatMap { fill in
        let part = Mesh([MeshAxis("data", max(fill, 2))] + own)
        return Placement.all(part, perNode: fill).map { time(relaxed, part, $0) }
      }.min()
      #expect(
        least ?? 0 <= time(cluster, mesh, placement) * (1 + 1e-12) + 2e-12,
        "seed \(seed): \(cluster.devicesPerNode) a node, \(cluster.levels), \(mesh), \(names), \(pattern)"
      )
    }
  }

  @Test func `nodes that fill with one network inside and a slower one outside stay as they are`() {
    let cluster = SyntheticCluster.cluster
    let relaxed = cluster.relaxed(for: 4 * cluster.devicesPerNode)
    #expect(relaxed.levels.map(\.bandwidth) == cluster.levels.map(\.bandwidth))
    #expect(relaxed.levels.map(\.devices) == cluster.levels.map(\.devices))
    #expect(relaxed.devicesPerNode == cluster.devicesPerNode)
  }

  /// As many devices as a node has or fewer, in groups that do not divide them.
  @Test(arguments: [[3], [5], [6], [7], [2, 3], [3, 2], [2, 4]])
  func `a plan inside one node sends nothing out of it`(sizes: [Int]) throws {
    let shipped = ClusterCatalog(folders: [Golden.root.path + "/models/clusters"])
    let cluster = try shipped.cluster("h100-sxm")
    var alone = cluster
    alone.levels = [cluster.levels[0]]
    alone.levels[0].devices = nil
    let mesh = Mesh(zip(["pipeline", "tensor"], sizes).map { MeshAxis($0, $1) })
    for placement in Placement.all(mesh, perNode: cluster.devicesPerNode) {
      for axis in mesh.axes {
        let use = CollectiveUse(
          pattern: .allGather, axes: mesh.whole(axis.name), bytes: 1 << 24, width: 2, total: 0)
        #expect(
          cost(cluster, mesh, placement).time(of: use) == cost(alone, mesh, placement).time(of: use)
        )
      }
    }
  }
}
