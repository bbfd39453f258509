import Formats
import Foundation
import Partitioner
import PlanIR
import TestSupport
import Testing

/// Gradients that are reduced beside the last backward pass.
@Suite struct GradientOverlapTests {
  private struct Layers {
    var kernels, reductions: Picoseconds
    var count: Int
  }

  /// Layers one after another through a queue: each waits for its kernels and for those before it.
  private func exposed(complete: Picoseconds, _ layers: [Layers]) -> Picoseconds {
    var (computed, free) = (Picoseconds.zero, complete)
    for own in layers {
      for _ in 0..<own.count {
        computed += own.kernels
        if own.reductions > .zero { free = max(free, computed) + own.reductions }
      }
    }
    return max(.zero, free - computed)
  }

  @Test func `layers alike are added as if one by one`() {
    let seed = UInt64.random(in: 0...UInt64.max)
    let generator = CounterGenerator(seed: seed, name: "overlap")
    var drawn = UInt64(0)
    func draw(below most: Int) -> Int {
      drawn += 1
      return generator.integer(below: most, at: drawn)
    }
    for _ in 0..<400 {
      let most = [4, 40, 400][draw(below: 3)]
      let layers = (0..<draw(below: 6)).map { _ in
        Layers(
          kernels: Picoseconds(draw(below: 100)),
          reductions: Picoseconds(draw(below: 3) == 0 ? 0 : draw(below: most)),
          count: draw(below: 7))
      }
      let complete = Picoseconds(draw(below: 2) * draw(below: 300))
      var overlap = GradientOverlap()
      overlap.add(complete: complete)
      for own in layers {
        overlap.add(kernels: own.kernels, reductions: own.reductions, layers: own.count)
      }
      let all = layers.reduce(complete) { $0 + $1.reductions * $1.count }
      #expect(overlap.exposed == exposed(complete: complete, layers), "seed \(seed)")
      #expect(overlap.hidden + overlap.exposed == all, "seed \(seed)")
    }
  }

  private func cluster(overlaps: Bool) -> Cluster {
    var cluster = SyntheticCluster.cluster
    cluster.device.operators.overlapsGradients = overlaps
    return cluster
  }

  private func plan(_ zero: Int, stages: Int, overlaps: Bool) throws -> RankedPlan {
    var pins = Pins()
    (pins.layout, pins.data, pins.pipeline, pins.zero) = (.data, 4, stages, zero)
    (pins.microBatch, pins.recompute) = (8, Recomputation.none)
    let request = SearchRequest(
      training: try training(), cluster: cluster(overlaps: overlaps), devices: 4 * stages,
      memory: .unlimited, pins: pins,
      keep: 1)
    let answer = Search.run(request)
    #expect(answer.mispriced.isEmpty)
    return try #require(answer.plans.first)
  }

  @Test(arguments: [0, 1, 2, 3], [1, 2])
  func `what goes on beside the backward pass is no longer exposed, and nothing else changes`(
    zero: Int, stages: Int
  ) throws {
    let apart = try plan(zero, stages: stages, overlaps: false)
    let beside = try Partitioner.predict(
      try training(), choices: apart.choices, cluster: cluster(overlaps: true))
    // What is exchanged beside kernels has buffers of its own.
    var memory = beside.memory
    memory.framework = apart.predicted.memory.framework
    #expect(memory == apart.predicted.memory)
    #expect((beside.memory.framework > memory.framework) == (zero > 1))
    let (now, before) = (beside.breakdown, apart.predicted.breakdown)
    #expect(now.compute == before.compute && now.optimizer == before.optimizer)
    let (exposedNow, exposedBefore) = (now.communicationExposed, before.communicationExposed)
    #expect(exposedNow <= exposedBefore)
    if stages == 1 { #expect(exposedNow.count * 3 < exposedBefore.count * 2) }
    #expect(beside.step <= apart.predicted.step)
    for (own, other) in zip(beside.communication, apart.predicted.communication) {
      #expect(own.time == other.time && own.total == other.total)
      #expect(own.exposed >= .zero && own.exposed <= own.time && other.exposed == other.time)
    }
    let exposed = beside.communication.reduce(Picoseconds.zero) { $0 + $1.exposed }
    #expect(exposed == now.communicationExposed)
  }

  @Test(arguments: [2, 12], [2, 4, 8])
  func `no plan is left out for what is hidden`(layers: Int, hidden: Int) throws {
    var sample = SampleModel()
    (sample.layers, sample.hidden, sample.wide) = (layers, hidden * 512, hidden * 2048)
    (sample.heads, sample.headWidth) = (hidden * 4, 128)
    let clusters = ClusterCatalog(folders: [Golden.root.path + "/models/clusters"])
    for (batch, zero) in [(64, 1), (512, 1), (64, 2), (128, 3)] {
      var pins = Pins()
      (pins.layout, pins.zero, pins.pipeline, pins.context) = (.megatron, zero, 1, 1)
      var request = SearchRequest(
        training: try TrainingGraph(
          model: sample.gpt2(), workload: Workload(globalBatch: batch, sequence: 1024)),
        cluster: try clusters.cluster("h100-sxm"), devices: 32, memory: .unlimited, pins: pins,
        keep: 1)
      let pruned = Search.run(request)
      request.exhaustive = true
      let whole = Search.run(request)
      #expect(pruned.plans.map(\.predicted) == whole.plans.map(\.predicted))
    }
  }

  private func training() throws -> TrainingGraph {
    var sample = SampleModel()
    (sample.layers, sample.hidden, sample.wide) = (4, 64, 256)
    return try TrainingGraph(
      model: sample.llama(), workload: Workload(globalBatch: 64, sequence: 64))
  }
}
