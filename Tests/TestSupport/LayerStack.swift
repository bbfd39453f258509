package import Partitioner
package import PlanIR

/// A stack of GPT-2 layers alone, in single precision unless told otherwise: what it communicates is what the published
/// formulas for one layer count.
package struct LayerStack: Sendable, CustomStringConvertible {
  package var hidden: Int
  package var heads: Int
  package var layers = 2
  package var batch: Int
  package var sequence: Int
  package var precision = Precision.fp32

  package init(hidden: Int, heads: Int, batch: Int, sequence: Int) {
    self.hidden = hidden
    self.heads = heads
    self.batch = batch
    self.sequence = sequence
  }

  package var description: String {
    "\(layers) layers, hidden \(hidden), heads \(heads), batch \(batch), sequence \(sequence)"
  }

  /// Token rows of a step.
  package var rows: Int { batch * sequence }

  package func training() throws -> TrainingGraph {
    var sample = SampleModel()
    sample.name = "stack"
    (sample.hasEmbedding, sample.hasHead) = (false, false)
    (sample.hidden, sample.wide, sample.layers) = (hidden, 4 * hidden, layers)
    (sample.heads, sample.keyValueHeads, sample.headWidth) = (heads, heads, hidden / heads)
    sample.positions = sequence
    let workload = Workload(globalBatch: batch, sequence: sequence, precision: precision)
    return try TrainingGraph(model: sample.gpt2(), workload: workload)
  }
}

extension SyntheticCluster {
  /// One network without latency that joins everything, devices that compute in no time: a step
  /// takes what its bytes take.
  package static let networkAlone = Cluster(
    name: "network-alone",
    device: .init(
      name: "instant", memory: Bytes(1 << 60), reserved: .zero, framework: .zero,
      matmulFlops16: 1e30, matmulFlops32: 1e30, matmulEfficiency: 1, memoryBandwidth: 1e30,
      memoryEfficiency: 1, launchSeconds: 0), devicesPerNode: 1,
    levels: [.init(name: "net", devices: nil, bandwidth: 1e9, latency: 0)])
}
