import Formats
import Foundation
import Partitioner
import PlanIR
import TestSupport
import Testing

@Suite struct PlacementTests {
  static let meshes: [[Int]] = [
    [4], [6], [2, 2], [4, 2], [8, 8], [2, 3, 4], [4, 4, 4], [2, 2, 8], [6, 4], [3, 5], [2, 12, 2],
  ]

  private func mesh(_ sizes: [Int]) -> Mesh {
    Mesh(zip(["data", "row", "col"], sizes).map { MeshAxis($0, $1) })
  }

  /// Every way to give each axis a factor of its size so that the factors multiply to `room`.
  private func fillings(_ sizes: [Int], _ room: Int) -> Set<[Int]> {
    var found: Set<[Int]> = [[]]
    for size in sizes {
      var longer: Set<[Int]> = []
      for part in found {
        for inside in 1...size where size % inside == 0 { longer.insert(part + [inside]) }
      }
      found = longer
    }
    return found.filter { $0.reduce(1, *) == room }
  }

  /// How many devices may share a node: parts of so many each, laid one after another into nodes, need no more nodes
  /// than devices alone, and no multiple does.
  private func rooms(_ devices: Int, _ perNode: Int) -> [Int] {
    if devices <= perNode { return [devices] }
    func nodes(_ part: Int) -> Int {
      var (nodes, room) = (0, 0)
      for _ in 0..<devices / part {
        if room < part { (nodes, room) = (nodes + 1, perNode) }
        room -= part
      }
      return nodes
    }
    let fitting = (1...perNode).filter { devices % $0 == 0 && nodes($0) == nodes(1) }
    return fitting.filter { part in !fitting.contains { $0 > part && $0 % part == 0 } }
  }

  @Test func `devices that do not fill their nodes lie in equal parts that need no more of them`() {
    for perNode in 1...10 {
      for devices in 1...130 {
        #expect(Placement.fills(devices, perNode: perNode) == rooms(devices, perNode).reversed())
      }
    }
    #expect(Placement.fills(9, perNode: 8) == [3])
    #expect(Placement.fills(12, perNode: 8) == [6, 4])
    #expect(Placement.fills(20, perNode: 8) == [4])
    #expect(Placement.fills(1536, perNode: 8) == [8])
  }

  @Test(arguments: meshes, [1, 2, 4, 6, 8, 16])
  func `placements are all ways to fill a node, each once, minor axes inside first`(
    sizes: [Int], perNode: Int
  ) throws {
    let mesh = mesh(sizes)
    let all = Placement.all(mesh, perNode: perNode)
    let inside = all.map { $0.map(\.insideNode) }
    let rooms = rooms(mesh.deviceCount, perNode)
    let expected = rooms.reduce(into: Set<[Int]>()) { $0.formUnion(fillings(sizes, $1)) }
    let isWhole = all.allSatisfy { placement in
      zip(placement, mesh.axes).allSatisfy {
        $0.axis == $1.name && $0.insideNode * $0.acrossNodes == $1.size
      }
    }
    #expect(Set(inside) == expected)
    #expect(inside.count == expected.count)
    #expect(isWhole)
    let innermost = Placement.innermostFirst(mesh, perNode: perNode)
    #expect(all.first == innermost)
    let fullest = inside.filter { $0.reduce(1, *) == rooms.max() }
    let most = fullest.map { $0.last ?? 1 }.max()
    #expect(innermost.last?.insideNode == most)
  }

  /// A placement as the parts inside a node, and what a step takes under it.
  private func steps(
    _ stack: LayerStack, mesh: [Int], on cluster: Cluster
  ) throws -> (best: RankedPlan, byInside: [[Int]: Picoseconds]) {
    var pins = Pins.flat
    (pins.layout, pins.mesh, pins.data, pins.zero) = (.summa, mesh, 1, 0)
    pins.microBatch = stack.batch
    let training = try stack.training()
    let request = SearchRequest(
      training: training, cluster: cluster, devices: mesh.reduce(1, *), memory: .unlimited,
      pins: pins, keep: 1)
    let best = try #require(Search.run(request).plans.first)
    var steps: [[Int]: Picoseconds] = [:]
    for placement in Placement.all(best.choices.mesh, perNode: cluster.devicesPerNode) {
      var choices = best.choices
      choices.placement = placement
      steps[placement.map(\.insideNode)] = try Partitioner.predict(
        training, choices: choices, cluster: cluster
      ).step
    }
    return (best, steps)
  }

  @Test func `on nodes of four a square SUMMA lies in tiles of two by two`() throws {
    let clusters = ClusterCatalog(folders: [Golden.root.path + "/models/clusters"])
    let cluster = try clusters.cluster("rtx5000-16gb")
    let stack = LayerStack(hidden: 4096, heads: 32, batch: 8, sequence: 1024)
    let (best, steps) = try steps(stack, mesh: [8, 8], on: cluster)
    let chosen = best.choices.placement.map(\.insideNode)
    let innermost = try #require(steps[[1, 4]])
    if LayoutMatrix.isFull { print("SUMMA 8x8 on nodes of four: \(steps.mapValues(\.seconds))") }
    #expect(steps.count == 3)
    #expect(chosen == [2, 2])
    #expect(best.predicted.step == steps.values.min())
    #expect(best.predicted.step < innermost)
  }

  @Test(arguments: [(2, 32), (64, 32), (8, 1024), (512, 16)])
  func `the search takes the placement that costs least`(size: (sequence: Int, batch: Int)) throws {
    let stack = LayerStack(
      hidden: 1024, heads: 16, batch: size.batch, sequence: size.sequence)
    for mesh in [[4, 4], [8, 2], [2, 8]] {
      let (best, steps) = try steps(stack, mesh: mesh, on: SyntheticCluster.cluster)
      let least = steps.values.min()
      #expect(best.predicted.step == least)
    }
  }
}
