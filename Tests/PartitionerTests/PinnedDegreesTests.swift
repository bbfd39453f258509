import Formats
import Foundation
import Partitioner
import PlanIR
import TestSupport
import Testing

/// Tesseract of one row and column holds copies of the model: where pins of data, tensor and micro-batch leave no plan
/// of data that is the same, and where replicas over data share what it copies over depth.
@Suite struct PinnedDegreesTests {
  private static let pins: [@Sendable (inout Pins) -> Void] = [
    { $0.data = 1 }, { $0.tensor = 2 }, { $0.tensor = 4 }, { $0.microBatch = 2 },
    { ($0.data, $0.microBatch) = (2, 4) }, { $0.microBatch = 8 },
  ]

  private func request(_ sample: SampleModel, devices: Int) throws -> SearchRequest {
    let training = try TrainingGraph(
      model: sample.gpt2(), workload: Workload(globalBatch: 8, sequence: 8))
    var request = SearchRequest(
      training: training, cluster: SyntheticCluster.cluster, devices: devices, memory: .unlimited,
      keep: 1)
    (request.pins.context, request.pins.recompute) = (1, Recomputation.none)
    return request
  }

  @Test(arguments: pins.indices)
  func `no layout beats the best of all, whatever else is pinned`(_ index: Int) throws {
    var request = try request(SampleModel(), devices: 4)
    Self.pins[index](&request.pins)
    let best = try #require(Search.run(request).plans.first)
    for layout in LayoutCatalog.all.map(\.name) {
      request.pins.layout = layout
      guard let own = Search.run(request).plans.first else { continue }
      let isNoBetter = best.predicted.step <= own.predicted.step
      #expect(isNoBetter, "\(layout): \(own.choices.canonicalText)")
    }
  }

  @Test(arguments: [nil, 0, 1, 2, 3])
  func `replicas share what other replicas copy where that is faster`(zero: Int?) throws {
    let models = ModelCatalog(folders: [Golden.root.path + "/models"])
    let clusters = ClusterCatalog(folders: [Golden.root.path + "/models/clusters"])
    var request = SearchRequest(
      training: try TrainingGraph(
        model: try models.model("gpt2-xl"), workload: Workload(globalBatch: 512, sequence: 1024)),
      cluster: try clusters.cluster("h100-sxm"), devices: 64, memory: .unlimited, keep: 3)
    request.pins.zero = zero
    let answer = Search.run(request)
    let best = try #require(answer.plans.first)
    #expect(answer.mispriced.isEmpty)
    for layout in [LayoutName.data, .tesseract] {
      request.pins.layout = layout
      let own = try #require(Search.run(request).plans.first)
      #expect(best.predicted.step <= own.predicted.step, "\(own.choices.canonicalText)")
    }
    let copies = answer.plans.filter {
      $0.choices.layout == .tesseract && $0.choices.tensorDegree == $0.choices.degree("depth")
    }
    // All copies of a whole model are data's.
    #expect(copies.isEmpty == (zero == 0))
    // Nothing splits the table: its forms are one.
    #expect(copies.allSatisfy { $0.choices.tableForm == .gathered })
    let isOwn = copies.allSatisfy { $0.choices.zero > 0 || !$0.choices.weightsOver.isEmpty }
    #expect(isOwn)
  }

  @Test func `heads that nothing divides leave copies of the model`() throws {
    var sample = SampleModel()
    (sample.heads, sample.keyValueHeads, sample.headWidth) = (3, 3, 9)
    (sample.hidden, sample.wide, sample.positions) = (27, 81, 27)
    var request = try request(sample, devices: 2)
    (request.pins.tensor, request.pins.pipeline) = (2, 1)
    let best = try #require(Search.run(request).plans.first)
    #expect(best.choices.layout == .tesseract && best.choices.degree("depth") == 2)
    // Where data may have them they are data's.
    request.pins.tensor = nil
    let free = Search.run(request)
    #expect(free.plans.first?.choices.layout == .data)
    #expect(free.plans.first?.predicted.step == best.predicted.step)
  }
}
