import Partitioner
import PlanIR
import TestSupport
import Testing

/// Stages whose devices are threads that share cores.
@Suite struct SharedCoresTests {
  private func cluster(cores: Int?) -> Cluster {
    var cluster = SyntheticCluster.cluster
    cluster.sharedCores = cores
    return cluster
  }

  private func plan(
    _ schedule: PipelineSchedule, stages: Int, data: Int, recompute: Recomputation, cores: Int?
  ) throws -> (Prediction, [Explanation.StageExplanation]) {
    var sample = SampleModel()
    sample.layers = 6
    let training = try TrainingGraph(
      model: sample.llama(), workload: Workload(globalBatch: 16, sequence: 16))
    var pins = Pins()
    (pins.layout, pins.data, pins.pipeline, pins.schedule) = (.data, data, stages, schedule)
    (pins.microBatch, pins.recompute) = (16 / data / 4, recompute)
    let request = SearchRequest(
      training: training, cluster: cluster(cores: nil), devices: stages * data,
      memory: .unlimited, pins: pins, keep: 1)
    let choices = try #require(Search.run(request).plans.first).choices
    let explained = try Partitioner.explain(
      training, choices: choices, cluster: cluster(cores: cores), timings: TimingTable())
    let predicted = try Partitioner.predict(
      training, choices: choices, cluster: cluster(cores: cores))
    return (predicted, explained.stages)
  }

  /// What a stage does of a step.
  private func work(_ breakdown: Prediction.Breakdown) -> Int {
    (breakdown.compute + breakdown.communicationExposed + breakdown.optimizer).count
  }

  @Test(arguments: [PipelineSchedule.gpipe, .oneForwardOneBackward, .zeroBubble])
  func `as many threads a stage as cores leave none idle: a step is what all have to do`(
    schedule: PipelineSchedule
  ) throws {
    let (alone, stages) = try plan(
      schedule, stages: 2, data: 2, recompute: .none, cores: nil)
    let (shared, own) = try plan(schedule, stages: 2, data: 2, recompute: .none, cores: 2)
    // Two threads a core, and two stages: on average a stage takes what it takes alone twice.
    let all = stages.reduce(0) { $0 + work($1.breakdown) }
    #expect(abs(shared.step.count - all) <= 1 + all / 1_000_000)
    #expect(shared.step.count < 2 * alone.step.count)
    for stage in own {
      let parts = work(stage.breakdown) + stage.breakdown.bubble.count
      #expect(parts == shared.step.count && stage.breakdown.bubble >= .zero)
      #expect(stage.spans.allSatisfy { $0.end <= shared.step })
    }
    let exposed = shared.communication.reduce(.zero) { $0 + $1.exposed }
    #expect(exposed == shared.breakdown.communicationExposed && exposed > .zero)
    #expect(shared.communication.allSatisfy { $0.exposed >= .zero && $0.exposed <= $0.time })
  }

  @Test func `a step is no shorter than with a core for each thread`() throws {
    let (alone, _) = try plan(.gpipe, stages: 6, data: 1, recompute: .none, cores: nil)
    let (shared, _) = try plan(.gpipe, stages: 6, data: 1, recompute: .none, cores: 5)
    let (enough, _) = try plan(.gpipe, stages: 6, data: 1, recompute: .none, cores: 6)
    #expect(enough.step == alone.step)
    #expect(shared.step.count >= alone.step.count - alone.step.count / 1_000_000)
    #expect(Double(shared.step.count) < 1.2 * Double(alone.step.count))
  }
}
