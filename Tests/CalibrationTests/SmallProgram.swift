import Partitioner
import PlanIR
import TestSupport
import Testing

/// Programs whose kernels are quick to run.
enum SmallProgram {
  /// The program of a small model on one tensor axis of two devices.
  static func program(
    isLlama: Bool, attention: AttentionForm, optimizer: Optimizer, dropout: Double = 0
  ) throws -> Program {
    let sample = SampleModel()
    let training = try TrainingGraph(
      model: isLlama ? sample.llama() : sample.gpt2(),
      workload: Workload(
        globalBatch: 4, sequence: 8, optimizer: optimizer, attention: attention,
        dropout: dropout))
    var pins = Pins()
    (pins.layout, pins.tensor) = (.megatron, 2)
    let answer = Search.run(
      SearchRequest(
        training: training, cluster: SyntheticCluster.cluster, devices: 2, pins: pins,
        keep: 1))
    let plan = try #require(answer.plans.first)
    return try Partitioner.program(of: training, choices: plan.choices)
  }
}
