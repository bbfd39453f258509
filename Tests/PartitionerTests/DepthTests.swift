import Formats
import Foundation
import Partitioner
import PlanIR
import TestSupport
import Testing

/// Tesseract's depth splits the batch and copies weights, as data does: where nodes are all that tells devices apart, plans
/// that differ in which of the two does what are one, and the search looks at one of them.
@Suite struct DepthTests {
  private func training() throws -> TrainingGraph {
    var sample = SampleModel()
    (sample.layers, sample.heads, sample.keyValueHeads) = (4, 8, 8)
    return try TrainingGraph(
      model: sample.gpt2(), workload: Workload(globalBatch: 32, sequence: 16))
  }

  private func cluster(_ name: String) throws -> Cluster {
    var cluster = try ClusterCatalog(folders: [Golden.root.path + "/models/clusters"]).cluster(name)
    (cluster.devicesPerNode, cluster.levels[0].devices) = (4, 4)
    return cluster
  }

  /// Plans on 8 devices of a mesh of two columns, or of one, whose data and depth have two and two or two and four.
  private func plans(
    _ cluster: Cluster, columns: Int, stages: Int, zero: Int
  ) throws -> [RankedPlan] {
    var pins = Pins()
    (pins.layout, pins.pipeline, pins.context) = (.tesseract, stages, 1)
    (pins.mesh, pins.data, pins.zero) = ([1, columns, 8 / columns / stages / 2], 2, zero)
    return Search.run(
      SearchRequest(
        training: try training(), cluster: cluster, devices: 8, memory: .unlimited, pins: pins,
        keep: 40)
    ).plans
  }

  /// What a plan takes and holds.
  private func predict(_ choices: PlanChoices, _ cluster: Cluster) throws -> Prediction {
    try Partitioner.predict(try training(), choices: choices, cluster: cluster)
  }

  /// `choices` with what data and depth do changed for each other.
  private func swapped(_ choices: PlanChoices) -> PlanChoices {
    let (data, depth) = (choices.degree("data"), choices.degree("depth"))
    let names = ["data": "depth", "depth": "data"]
    var result = choices
    result.mesh = Mesh(
      choices.mesh.axes.map { axis in
        MeshAxis(axis.name, axis.name == "data" ? depth : axis.name == "depth" ? data : axis.size)
      })
    result.placement = choices.placement.map { own in
      choices.placement.first { $0.axis == names[own.axis] }.map {
        AxisPlacement(axis: own.axis, insideNode: $0.insideNode, acrossNodes: $0.acrossNodes)
      } ?? own
    }
    result.weightsOver = choices.weightsOver.map { names[$0] ?? $0 }.sorted()
    result.zero = result.weightsOver.contains("data") ? 3 : 0
    result.microBatch = choices.microBatch / depth * data
    return result
  }

  @Test(arguments: ["h100-sxm", "v100-sxm-32gb"], [1, 2])
  func `plans whose data and depth change places are one`(name: String, stages: Int) throws {
    let cluster = try cluster(name)
    var seen = 0
    for columns in stages == 1 ? [1, 2] : [1] {
      for plan in try plans(cluster, columns: columns, stages: stages, zero: 3)
      where plan.choices.weightsOver == ["data"] {
        let twin = swapped(plan.choices)
        #expect(twin.weightsOver == ["depth"] && twin.zero == 0)
        let predicted = try predict(twin, cluster)
        #expect(predicted.step == plan.predicted.step, "\(twin.canonicalText)")
        #expect(predicted.memory == plan.predicted.memory, "\(twin.canonicalText)")
        seen += 1
      }
    }
    #expect(seen > 10)
  }

  /// `choices` of SUMMA, or of data alone, whose data does what depth does, too.
  private func joined(_ choices: PlanChoices) -> PlanChoices {
    let (data, depth) = (choices.degree("data"), choices.degree("depth"))
    let layout = choices.degree("col") > 1 ? LayoutName.summa : .data
    var result = choices
    result.layout = layout
    result.blocks = choices.blocks.mapValues { _ in layout }
    result.mesh = Mesh(
      choices.mesh.axes.filter { $0.name != "depth" }.map {
        MeshAxis($0.name, $0.name == "data" ? data * depth : $0.size)
      })
    let inside = choices.placement.first { $0.axis == "depth" }
    result.placement = choices.placement.filter { $0.axis != "depth" }.map { own in
      guard own.axis == "data", let inside else { return own }
      return AxisPlacement(
        axis: own.axis, insideNode: own.insideNode * inside.insideNode,
        acrossNodes: own.acrossNodes * inside.acrossNodes)
    }
    result.weightsOver = choices.weightsOver.filter { $0 == "data" }
    result.microBatch = choices.microBatch / depth
    return result
  }

  @Test(arguments: ["h100-sxm", "v100-sxm-32gb"], [0, 3])
  func `where copies hold all, or all of them a part, depth is part of data`(
    name: String, zero: Int
  ) throws {
    let cluster = try cluster(name)
    var seen = 0
    for (columns, stages) in [(1, 1), (1, 2), (2, 1)] {
      for plan in try plans(cluster, columns: columns, stages: stages, zero: zero)
      where zero == 0 || Set(plan.choices.weightsOver) == ["data", "depth"] {
        let twin = joined(plan.choices)
        let predicted = try predict(twin, cluster)
        #expect(predicted.step == plan.predicted.step, "\(twin.canonicalText)")
        #expect(predicted.memory == plan.predicted.memory, "\(twin.canonicalText)")
        seen += 1
      }
    }
    #expect(seen > 10)
  }

  @Test(arguments: [nil, 1, 2, 3] as [Int?])
  func `what is left out as another plan's twin is never better`(zero: Int?) throws {
    for (name, devices) in [("h100-sxm", 8), ("v100-sxm-32gb", 12)] {
      let cluster = try cluster(name)
      var request = SearchRequest(
        training: try training(), cluster: cluster, devices: devices, memory: .unlimited, keep: 1)
      (request.pins.context, request.pins.zero) = (1, zero)
      let best = try #require(Search.run(request).plans.first)
      for data in [2, 4] {
        request.pins.data = data
        let own = try #require(Search.run(request).plans.first)
        #expect(best.predicted.step <= own.predicted.step, "\(own.choices.canonicalText)")
      }
    }
  }

  @Test func `where networks join several nodes, it matters which axis comes first`() throws {
    var cluster = try cluster("h100-sxm")
    (cluster.devicesPerNode, cluster.levels[0].devices) = (2, 2)
    /// The decisions about Tesseract that a search looks at.
    func decisions(_ cluster: Cluster, zero: Int? = nil) throws -> [[String]] {
      var request = SearchRequest(
        training: try training(), cluster: cluster, devices: 8, memory: .unlimited, keep: 1)
      (request.pins.context, request.pins.pipeline, request.pins.zero) = (1, 1, zero)
      request.certifies = true
      let leaves = try #require(Search.run(request).certificate).leaves
      return leaves.map(\.path).filter { $0.first?.hasPrefix("tesseract") ?? false }
    }
    /// Whether it looks at plans of several replicas whose weights are sharded over depth alone.
    func looksAtDepth(_ cluster: Cluster) throws -> Bool {
      try decisions(cluster).contains {
        $0.contains("data 2 pipeline 1") && $0.contains("zero 0 weights over depth")
      }
    }
    #expect(try !looksAtDepth(cluster))
    var rail = cluster.levels[1]
    (rail.name, rail.devices, rail.bandwidth) = ("rail", 4, rail.bandwidth * 4)
    cluster.levels.insert(rail, at: 1)
    #expect(try looksAtDepth(cluster))
    // Where something is to be sharded over data there is data.
    let sharing = try decisions(cluster, zero: 3)
    #expect(!sharing.isEmpty && !sharing.contains { $0.contains("data 1 pipeline 1") })
    let plans = try plans(cluster, columns: 1, stages: 1, zero: 3)
    let differ = try plans.contains {
      guard $0.choices.weightsOver == ["data"] else { return false }
      return try predict(swapped($0.choices), cluster).step != $0.predicted.step
    }
    #expect(differ)
  }
}
