import Formats
import Foundation
import Partitioner
import PlanIR
import TestSupport
import Testing

/// What a search bounds micro-batches by that it leaves out, against the best plan of each.
@Suite struct MicroBatchBoundTests {
  /// Degrees and micro-batch of a leaf of the certificate.
  private static func pins(_ path: [String], _ layout: LayoutName) -> Pins? {
    guard path.count == 3, path[2] != Certificate.others else { return nil }
    func number(_ name: String) -> Int? {
      let words = path.joined(separator: " ").split(separator: " ")
      guard let place = words.firstIndex(of: Substring(name)), place + 1 < words.count else {
        return nil
      }
      return Int(words[place + 1])
    }
    var pins = Pins()
    (pins.layout, pins.context, pins.sequenceParallel) = (layout, 1, false)
    (pins.data, pins.pipeline) = (number("data"), number("pipeline"))
    (pins.tensor, pins.microBatch) = (number("tensor") ?? 1, number("micro-batch"))
    return pins
  }

  @Test(arguments: [LayoutName.data, .megatron], [40, 70])
  func `no micro-batch is left out by more than its best plan takes`(
    _ layout: LayoutName, _ gibibytes: Int
  ) throws {
    let models = ModelCatalog(folders: [Golden.root.path + "/models"])
    let clusters = ClusterCatalog(folders: [Golden.root.path + "/models/clusters"])
    let training = try TrainingGraph(
      model: try models.model("llama-3-8b"), workload: Workload(globalBatch: 64, sequence: 2048))
    var pins = Pins()
    (pins.layout, pins.context, pins.sequenceParallel) = (layout, 1, false)
    var request = SearchRequest(
      training: training, cluster: try clusters.cluster("h100-sxm"), devices: 16,
      memory: .bytes(Bytes(gibibytes << 30)), pins: pins, keep: 1)
    request.certifies = true
    let certificate = try #require(Search.run(request).certificate)
    request.certifies = false
    var (compared, closest) = (0, 0.0)
    for leaf in certificate.leaves {
      guard case .step(let bound) = leaf.bound, let own = Self.pins(leaf.path, layout) else {
        continue
      }
      request.pins = own
      guard let best = Search.run(request).plans.first else { continue }
      compared += 1
      closest = max(closest, bound.seconds / best.predicted.step.seconds)
      #expect(bound <= best.predicted.step, "\(leaf.path)")
    }
    #expect(compared > 3)
    #expect(closest > 0.9, "of \(compared) at \(gibibytes) GiB")
  }
}
