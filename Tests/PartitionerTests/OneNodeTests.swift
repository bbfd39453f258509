import Formats
import Foundation
import Partitioner
import PlanIR
import TestSupport
import Testing

/// The four published layouts on one node of eight H100, in mixed precision and one micro-batch.
@Suite struct OneNodeTests {
  /// The published layouts on eight devices; an empty mesh leaves it to the search.
  private static let published: [(layout: LayoutName, mesh: [Int])] = [
    (.megatron, [8]), (.summa, [2, 4]), (.summa, [4, 2]), (.tesseract, [2, 2, 2]),
    (.threeDimensional, [2, 2, 2]),
  ]

  private static let anyMesh: [(layout: LayoutName, mesh: [Int])] = [
    (.megatron, []), (.summa, []), (.tesseract, []), (.threeDimensional, []),
  ]

  /// The layouts that the batch allows, fastest first.
  private func order(
    _ stack: LayerStack, of candidates: [(layout: LayoutName, mesh: [Int])]
  ) throws -> [LayoutName] {
    let clusters = ClusterCatalog(folders: [Golden.root.path + "/models/clusters"])
    let cluster = try clusters.cluster("h100-sxm")
    var stack = stack
    stack.precision = .mixed
    var plans: [RankedPlan] = []
    for candidate in candidates {
      var pins = Pins.flat
      (pins.layout, pins.tensor, pins.data, pins.zero) = (candidate.layout, 8, 1, 0)
      (pins.microBatch, pins.sequenceParallel) = (stack.batch, false)
      pins.mesh = candidate.mesh.isEmpty ? nil : candidate.mesh
      let request = SearchRequest(
        training: try stack.training(), cluster: cluster, devices: 8, memory: .unlimited,
        pins: pins, keep: 1)
      plans += Search.run(request).plans
    }
    plans.sort { $0.predicted.step < $1.predicted.step }
    if LayoutMatrix.isFull {
      for plan in plans {
        print("\(stack): \(plan.predicted.step.seconds) s, \(plan.choices.canonicalText)")
      }
    }
    return plans.map(\.choices.layout)
  }

  @Test(arguments: [512, 1024, 2048])
  func `1-D wins where rows are fewer than hidden`(sequence: Int) throws {
    let stack = LayerStack(hidden: 12288, heads: 96, batch: 4, sequence: sequence)
    let order = try order(stack, of: Self.published)
    #expect(order.count == 5)
    #expect(order.first == .megatron)
  }

  @Test(arguments: [512, 2048, 8192])
  func `1-D wins on any mesh where the batch is one sequence`(sequence: Int) throws {
    let stack = LayerStack(hidden: 4096, heads: 32, batch: 1, sequence: sequence)
    let order = try order(stack, of: Self.anyMesh)
    #expect(order.first == .megatron)
  }

  @Test func `1-D is last of the four where rows are eight times hidden`() throws {
    let stack = LayerStack(hidden: 4096, heads: 32, batch: 16, sequence: 2048)
    let order = try order(stack, of: Self.published)
    #expect(order.last == .megatron)
  }
}
