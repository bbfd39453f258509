import Executor
import Formats
import Partitioner
import PlanIR
import Proof
import Reference
import TestSupport
import Testing

/// A plan with a bit of everything trains as the unsharded model does.
@Suite struct TrainingTests {
  private static let models = #filePath.split(separator: "/").dropLast(3)
    .reduce("") { $0 + "/" + $1 }

  /// Sixteen devices: data 2 x pipeline 2 x SUMMA 2x2, ZeRO 1, full recomputation, 4 micro-batches.
  private func choices(_ model: Model) -> PlanChoices {
    let axes = [("data", 2), ("pipeline", 2), ("row", 2), ("col", 2)].map { MeshAxis($0, $1) }
    var choices = PlanChoices(
      layout: .summa, blocks: [:], mesh: Mesh(axes), placement: [], sequenceParallel: false,
      gathersInputs: .saved, keyValue: .copied, microBatch: 2, microBatches: 4,
      layers: model.layers)
    (choices.zero, choices.schedule, choices.recompute) = (1, .oneForwardOneBackward, .full)
    choices.tableGradients = .apart
    choices.stages = StageMap.even(layers: model.layers, stages: 2)
      .map { StageChoice(layers: $0, .full) }
    return choices
  }

  @Test(arguments: [DType.float32, .float64])
  func `fifty steps on a text have the unsharded model's loss throughout`(dtype: DType) throws {
    let model = try ModelCatalog(folders: [Self.models + "/models"]).model("tiny-gpt2")
    let workload = Workload(globalBatch: 16, sequence: 32, precision: .mixed, optimizer: .adamw)
    let training = try TrainingGraph(model: model, workload: workload)
    let choices = choices(model)
    let predicted = try Partitioner.predict(
      training, choices: choices, cluster: SyntheticCluster.cluster)
    let plan = Plan(
      model: model, cluster: SyntheticCluster.cluster, workload: workload, choices: choices,
      predicted: predicted)
    var settings = RunSettings(dtype: dtype, steps: 50)
    settings.learningRate = 3e-3
    let verdict = try Proof(
      plan: plan, program: try Partitioner.program(of: training, choices: choices),
      settings: settings, weights: RandomWeights(seed: 1), batch: TrainingText.batch(workload)
    ).run(validates: true)
    let faults = verdict.faults
    #expect(faults.isEmpty, "\(faults)")
    let expected = try #require(verdict.reference).losses
    let losses = verdict.run.losses
    #expect(losses.count == 50 && expected.count == 50)
    let worst = zip(losses, expected).map { abs($0 - $1) }.max() ?? .infinity
    #expect(worst < 1e-3)
    let (first, last) = (try #require(losses.first), try #require(losses.last))
    #expect(last < first / 2)
  }
}
