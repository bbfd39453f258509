import Partitioner
import PlanIR
import TestSupport
import Testing

/// What a search adds up of blocks priced alone is what the whole program costs, to the picosecond
/// and the byte.
@Suite struct PricingTests {
  private static let cases: [(devices: Int, perNode: Int, batch: Int)] = [
    (4, 8, 12), (6, 4, 12), (12, 8, 12),
  ]

  @Test(arguments: cases.indices, [MatmulSchedule.gathered, .stepped])
  func `plans cost what their parts do`(_ index: Int, matmul: MatmulSchedule) throws {
    let (devices, perNode, batch) = Self.cases[index]
    var sample = SampleModel()
    (sample.hidden, sample.heads, sample.headWidth, sample.wide) = (48, 12, 4, 96)
    (sample.keyValueHeads, sample.isTied) = (3, false)
    var cluster = SyntheticCluster.cluster
    cluster.devicesPerNode = perNode
    cluster.levels[0].devices = perNode
    var pins = Pins.flat
    (pins.matmul, pins.data, pins.microBatch) = (matmul, 1, batch)
    for layout in [nil, LayoutName.mixed] {
      pins.layout = layout
      let answer = Search.run(
        SearchRequest(
          training: try TrainingGraph(
            model: sample.llama(), workload: Workload(globalBatch: batch, sequence: 16)),
          cluster: cluster, devices: layout == nil ? devices : min(devices, 4), pins: pins,
          keep: 30))
      #expect(!answer.plans.isEmpty)
      let wrong = answer.mispriced
      #expect(wrong.isEmpty, "\(devices) devices: \(wrong.count), \(wrong.first ?? "")")
    }
  }
}
