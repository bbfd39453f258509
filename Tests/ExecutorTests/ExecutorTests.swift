import Executor
import Partitioner
import PlanIR
import TestSupport
import Testing

@Suite struct QuickTests {
  @Test(arguments: [
    (1, 1, false, GatherChoice.saved, 1), (2, 1, false, .saved, 2), (1, 2, false, .saved, 1),
    (1, 2, true, .saved, 1), (1, 4, true, .again, 2), (2, 4, true, .again, 1),
    (2, 8, true, .saved, 1),
  ])
  func run(data: Int, tensor: Int, sp: Bool, gather: GatherChoice, mb: Int) throws {
    for kv in [KeyValueForm.copied, .gathered] {
      for llama in [false, true] {
        for dropout in [0.0, 0.2] {
          var sample = SampleModel(); sample.isTied = !llama; sample.keyValueHeads = llama ? 2 : 8;
          sample.normalisesHeads = llama
          let model = llama ? sample.llama() : sample.gpt2()
          let workload = Workload(
            globalBatch: 8, sequence: 16, precision: .mixed, optimizer: .sgd,
            attention: dropout > 0 && sp ? .unfused : .fused, dropout: dropout)
          let training = try TrainingGraph(model: model, workload: workload)
          func result(_ d: Int, _ t: Int) throws -> RunResult {
            let layout: LayoutName = t == 1 ? .data : .megatron
            let choices = PlanChoices(
              layout: layout, blocks: [:],
              mesh: Mesh([MeshAxis("data", d), MeshAxis("tensor", t)]), placement: [],
              sequenceParallel: sp && t > 1, gathersInputs: gather, keyValue: kv,
              microBatch: 8 / d / mb, microBatches: mb, layers: 2)
            let program = try Partitioner.program(of: training, choices: choices)
            var settings = RunSettings(dtype: .float64, steps: 2); settings.poisonsMemory = true
            let r = try MeshRun.run(
              program, weights: RandomWeights(seed: 1),
              batch: .random(model: model, workload: workload, seed: 3), settings: settings)
            let cluster = Cluster(
              name: "t",
              device: .init(
                name: "x", memory: Bytes(1 << 40), reserved: .zero, framework: .zero,
                matmulFlops16: 1e12, matmulFlops32: 1e12, matmulEfficiency: 1,
                memoryBandwidth: 1e12, memoryEfficiency: 1, launchSeconds: 0), devicesPerNode: 8,
              levels: [.init(name: "n", devices: nil, bandwidth: 1e11, latency: 1e-6)])
            let p = try Partitioner.predict(training, choices: choices, cluster: cluster)
            #expect(
              r.peakPlanned.allSatisfy { $0 == p.memory.program.count },
              "\(r.peakPlanned) \(p.memory)")
            #expect(
              r.traffic.map { "\($0.axis) \($0.collective) \($0.bytes)" }
                == p.communication.map { "\($0.axis) \($0.collective) \($0.total.count)" })
            return r
          }
          let a = try result(1, 1), b = try result(data, tensor)
          for (name, x) in a.tensors {
            let y = try #require(b.tensors[name])
            #expect(x.count == y.count)
            let scale = max(1e-6, x.map(abs).max() ?? 0)
            let err = zip(x, y).map { abs($0 - $1) }.max() ?? 0
            #expect(
              err.isFinite && err / scale < 1e-9,
              "\(llama) \(dropout) \(kv) \(name): \(err / scale)")
          }
          #expect(a.losses[0] > 1 && b.leaked.allSatisfy { $0 == 0 })
        }
      }
    }
  }
}
