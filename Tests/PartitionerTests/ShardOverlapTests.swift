import Formats
import Foundation
import Partitioner
import PlanIR
import TestSupport
import Testing

/// Shards of parameters that replicas exchange beside the kernels of every micro-batch.
@Suite struct ShardOverlapTests {
  /// A plan in which replicas exchange shards.
  struct Shards: CustomTestStringConvertible {
    var zero = 3
    var weights = GatherChoice.saved
    var recompute = Recomputation.none
    var layout = LayoutName.data

    var testDescription: String { "zero \(zero), \(weights), \(recompute), \(layout)" }
  }

  private static let all = [
    Shards(zero: 2), Shards(), Shards(weights: .again), Shards(recompute: .full),
    Shards(weights: .again, recompute: .full), Shards(weights: .again, layout: .megatron),
  ]

  private func training() throws -> TrainingGraph {
    var sample = SampleModel()
    (sample.layers, sample.hidden, sample.wide) = (4, 64, 256)
    return try TrainingGraph(
      model: sample.llama(), workload: Workload(globalBatch: 64, sequence: 64))
  }

  private func cluster(_ overlaps: Bool, bandwidth: Double) -> Cluster {
    var cluster = SyntheticCluster.cluster
    cluster.device.operators.overlapsGradients = overlaps
    for level in cluster.levels.indices { cluster.levels[level].bandwidth *= bandwidth }
    return cluster
  }

  private func plan(_ shards: Shards, _ cluster: Cluster) throws -> RankedPlan {
    var pins = Pins()
    (pins.layout, pins.data, pins.pipeline, pins.zero) = (shards.layout, 4, 1, shards.zero)
    (pins.microBatch, pins.recompute, pins.context) = (4, shards.recompute, 1)
    (pins.gathersWeights, pins.gathersInputs) = (shards.weights, .saved)
    let answer = Search.run(
      SearchRequest(
        training: try training(), cluster: cluster,
        devices: shards.layout == .data ? 4 : 8, memory: .unlimited, pins: pins, keep: 1))
    #expect(answer.mispriced.isEmpty)
    return try #require(answer.plans.first)
  }

  /// Kernels of a phase, and what it exchanges over data.
  private typealias Times = (kernels: Picoseconds, exchange: Picoseconds)

  private func times(
    _ block: Explanation.BlockExplanation, _ phase: Phase
  ) -> Times {
    let own = block.phases.filter { $0.phase == phase }
    let exchange = own.flatMap(\.collectives).filter { $0.axis.contains("data") }
    return (
      own.reduce(.zero) { $0 + $1.kernels }, exchange.reduce(.zero) { $0 + $1.time }
    )
  }

  /// What of a micro-batch goes on beside kernels in one of a block's layers: forward the lesser of both, backward
  /// of both gradients together, as long as weights that are gathered do not outlast the input's.
  private func hidden(_ block: Explanation.BlockExplanation) -> Picoseconds {
    let passes = [times(block, .forward), times(block, .recompute)]
    let forward = passes.reduce(Picoseconds.zero) { $0 + min($1.kernels, $1.exchange) }
    let (input, weight) = (times(block, .inputGradient), times(block, .weightGradient))
    guard input.kernels >= input.exchange else {
      return forward + input.kernels + min(weight.kernels, weight.exchange)
    }
    return forward
      + min(input.kernels + weight.kernels, input.exchange + weight.exchange)
  }

  @Test(arguments: all, [0.02, 1, 30])
  func `each block takes the longer of kernels and exchange`(
    shards: Shards, bandwidth: Double
  ) throws {
    let (apart, beside) = (
      cluster(false, bandwidth: bandwidth), cluster(true, bandwidth: bandwidth)
    )
    let plan = try plan(shards, apart)
    let explained = try Partitioner.explain(
      try training(), choices: plan.choices, cluster: apart, weighsAlternatives: false)
    let hidden = explained.blocks.reduce(Picoseconds.zero) {
      $0 + self.hidden($1) * ($1.count * plan.choices.microBatches)
    }
    #expect(hidden > .zero)
    let now = try Partitioner.predict(try training(), choices: plan.choices, cluster: beside)
    // Gradients of what is not sharded are reduced beside the last backward pass, which has kernels to spare.
    let once = explained.blocks.reduce(Picoseconds.zero) {
      $0 + times($1, .reduceGradients).exchange * $1.count
    }
    let saved = plan.predicted.step - now.step
    #expect(saved >= hidden && saved <= hidden + once, "\(saved) of \(hidden) and \(once)")
    #expect(
      now.communication.reduce(Picoseconds.zero) { $0 + $1.exposed }
        == now.breakdown.communicationExposed)
    let isHidden = now.communication.contains { $0.axis == "data" && $0.exposed < $0.time }
    #expect(isHidden)
  }

  @Test(arguments: all)
  func `blocks of one stage add up to the step`(shards: Shards) throws {
    for bandwidth in [0.02, 1] {
      let cluster = cluster(true, bandwidth: bandwidth)
      let plan = try plan(shards, cluster)
      let explained = try Partitioner.explain(
        try training(), choices: plan.choices, cluster: cluster)
      let blocks = explained.blocks.reduce(Picoseconds.zero) { $0 + $1.step }
      // Gradients that are reduced beside the last backward pass are told with their block.
      let once = explained.blocks.reduce(Picoseconds.zero) { sum, block in
        let reduced = block.phases.filter { $0.phase == .reduceGradients }.flatMap(\.collectives)
        return sum + reduced.reduce(.zero) { $0 + $1.time } * block.count
      }
      #expect(blocks >= plan.predicted.step && blocks <= plan.predicted.step + once)
      for block in explained.blocks {
        #expect(block.sources.total == block.step, "\(block.name)")
        let own = try #require(block.alternatives.first { $0.layout == block.layout })
        #expect(own.step ?? .zero <= block.step && own.sources.total == own.step)
      }
    }
  }

  @Test func `copies over depth exchange shards as those over data do`() throws {
    let cluster = cluster(true, bandwidth: 1)
    func step(_ mesh: [Int], data: Int, over: [String]) throws -> RankedPlan {
      var pins = Pins()
      (pins.layout, pins.mesh, pins.data, pins.pipeline) = (.tesseract, mesh, data, 1)
      (pins.zero, pins.context, pins.gathersWeights) = (3, 1, .again)
      pins.recompute = Recomputation.none
      let answer = Search.run(
        SearchRequest(
          training: try training(), cluster: cluster, devices: 8, memory: .unlimited, pins: pins,
          keep: 20))
      return try #require(answer.plans.first { Set($0.choices.weightsOver) == Set(over) })
    }
    let depth = try step([1, 1, 8], data: 1, over: ["depth"])
    let both = try step([1, 1, 4], data: 2, over: ["data", "depth"])
    #expect(depth.predicted.step == both.predicted.step)
    #expect(depth.predicted.memory.total == both.predicted.memory.total)
  }

  @Test(arguments: all)
  func `layers that are gathered ahead, and gradients of a layer, are held beside the program`(
    shards: Shards
  ) throws {
    let (apart, beside) = (cluster(false, bandwidth: 1), cluster(true, bandwidth: 1))
    let plan = try plan(shards, apart)
    #expect(plan.predicted.memory.framework == .zero)
    let now = try Partitioner.predict(try training(), choices: plan.choices, cluster: beside)
    let layers = try Partitioner.explain(
      try training(), choices: plan.choices, cluster: apart, weighsAlternatives: false
    ).blocks.filter { $0.count == 4 }
    // Weights are shared by four replicas, a few elements of each tensor more or less.
    let tensors = layers.flatMap(\.operands).filter { $0.kind == "parameter" }
    let copies = shards.zero == 3 ? 4 : 1
    let weights = tensors.reduce(0) { $0 + $1.deviceBytes.count * copies }
    let gathered = shards.zero == 2 ? 0 : shards.weights == .again ? 2 : 1
    // In mixed precision gradients have twice the bytes of weights.
    #expect(now.memory.framework.count == (gathered + 2) * weights)
  }

  @Test(arguments: [2, 3], [PipelineSchedule.oneForwardOneBackward, .zeroBubble])
  func `over stages the search prices shards as their program runs`(
    zero: Int, schedule: PipelineSchedule
  ) throws {
    for bandwidth in [0.02, 1] {
      var pins = Pins()
      (pins.layout, pins.data, pins.pipeline, pins.zero) = (.data, 2, 2, zero)
      (pins.schedule, pins.microBatch) = (schedule, 4)
      var request = SearchRequest(
        training: try training(), cluster: cluster(true, bandwidth: bandwidth), devices: 4,
        memory: .unlimited, pins: pins, keep: 4)
      let pruned = Search.run(request)
      #expect(!pruned.plans.isEmpty && pruned.mispriced.isEmpty)
      request.exhaustive = true
      #expect(Search.run(request).plans.map(\.predicted) == pruned.plans.map(\.predicted))
    }
  }

  @Test(arguments: [LayoutName.data, .megatron, .summa, .tesseract], [0.3, 0.45, 1.2])
  func `what is left out where each block hides its own shards is never better`(
    layout: LayoutName, bandwidth: Double
  ) throws {
    // Most of a layer's weights, and of its kernels, are the mlp block's.
    let model = try ModelCatalog(folders: [Golden.root.path + "/models"]).model("llama-3-8b")
    var cluster = try ClusterCatalog(folders: [Golden.root.path + "/models/clusters"])
      .cluster("h100-sxm")
    (cluster.devicesPerNode, cluster.levels[0].devices) = (4, 4)
    cluster.levels[0].bandwidth *= bandwidth
    for gibibytes in [60, 75] {
      var request = SearchRequest(
        training: try TrainingGraph(
          model: model, workload: Workload(globalBatch: 16, sequence: 4096)),
        cluster: cluster, devices: 4, memory: .bytes(Bytes(gibibytes << 30)), keep: 1)
      (request.pins.layout, request.pins.zero) = (layout, 3)
      (request.pins.context, request.pins.pipeline) = (1, 1)
      let pruned = Search.run(request)
      request.exhaustive = true
      let whole = Search.run(request)
      #expect(
        whole.plans.map(\.choices.canonicalText) == pruned.plans.map(\.choices.canonicalText))
    }
  }
}
