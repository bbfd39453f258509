import Executor
import Partitioner
import PlanIR
import Proof
import TestSupport
import Testing

/// Stages as groups of device threads: numbers, bytes and memory of every schedule.
@Suite struct PipelineRunTests {
  static var schedules: [ProofCase] {
    let all: [(PipelineSchedule, stages: Int, interleave: Int, microBatches: Int)] = [
      (.gpipe, 2, 1, 3), (.gpipe, 4, 1, 2), (.oneForwardOneBackward, 2, 1, 4),
      (.oneForwardOneBackward, 3, 1, 1), (.oneForwardOneBackward, 4, 1, 6),
      (.interleaved, 2, 2, 2), (.interleaved, 2, 2, 4), (.interleaved, 2, 3, 6),
      (.interleaved, 3, 2, 6), (.zeroBubble, 2, 1, 3), (.zeroBubble, 3, 1, 5),
      (.zeroBubble, 4, 1, 2),
    ]
    return all.flatMap { schedule, stages, interleave, microBatches in
      [false, true].map { isLlama in
        var proof = ProofCase()
        proof.isLlama = isLlama
        proof.sample.isTied = !isLlama
        (proof.pipeline, proof.schedule, proof.interleave) = (stages, schedule, interleave)
        proof.microBatches = microBatches
        proof.workload.globalBatch = 2 * microBatches
        proof.sample.layers = max(stages * interleave, 4)
        proof.settings.dtype = .float64
        return proof
      }
    }
  }

  @Test(arguments: schedules) func `every schedule is the unsharded step`(proof: ProofCase) throws {
    let (_, program) = try proof.plan()
    #expect(ProgramVerifier.faults(of: program).isEmpty)
    let verdict = try proof.run()
    let faults = verdict.faults
    #expect(faults.isEmpty, "\(proof): \(faults)")
    #expect(verdict.traffic.contains { $0.axis == "pipeline" && $0.collective == "send" })
    #expect(verdict.run.leaked.allSatisfy { $0 == 0 })
  }

  /// Stages of any sizes, the ends with an embedding or a head alone; what 80 layers over 7 stages and
  /// 30 over 4 are like, on fewer.
  static var uneven: [ProofCase] {
    let all: [(PipelineSchedule, [Int], microBatches: Int)] = [
      (.oneForwardOneBackward, [0, 3], 3), (.gpipe, [3, 0], 2), (.zeroBubble, [0, 2, 1, 0], 5),
      (.oneForwardOneBackward, StageMap.even(layers: 10, stages: 7), 8),
      (.zeroBubble, StageMap.even(layers: 6, stages: 4), 1), (.gpipe, [1, 1, 1], 1),
      (.oneForwardOneBackward, [1, 4, 2], 2),
    ]
    return all.flatMap { schedule, stages, microBatches in
      [false, true].map { isLlama in
        var proof = ProofCase()
        (proof.isLlama, proof.sample.isTied) = (isLlama, !isLlama)
        (proof.pipeline, proof.schedule, proof.stages) = (stages.count, schedule, stages)
        proof.sample.layers = stages.reduce(0, +)
        (proof.microBatches, proof.workload.globalBatch) = (microBatches, microBatches)
        proof.recompute = isLlama ? .full : .none
        proof.settings.dtype = .float64
        return proof
      }
    }
  }

  @Test(arguments: uneven) func `stages may have any sizes`(proof: ProofCase) throws {
    let (plan, program) = try proof.plan()
    let cost = ClusterCost(
      cluster: SyntheticCluster.cluster, precision: plan.workload.precision,
      mesh: plan.choices.mesh, placement: plan.choices.placement)
    #expect(
      ProgramClock(program, schedule: plan.choices.schedule, cost: cost).end == plan.predicted.step)
    let verdict = try proof.run()
    let faults = ProgramVerifier.faults(of: program) + verdict.faults
    #expect(faults.isEmpty, "\(proof): \(faults)")
    #expect(verdict.run.leaked.allSatisfy { $0 == 0 })
  }

  @Test(arguments: PipelineMatrix.cases)
  func `calls add up to the predicted step`(proof: ProofCase) throws {
    let (plan, program) = try proof.plan()
    let cost = ClusterCost(
      cluster: SyntheticCluster.cluster, precision: plan.workload.precision,
      mesh: plan.choices.mesh, placement: plan.choices.placement)
    let clock = ProgramClock(program, schedule: plan.choices.schedule, cost: cost)
    let isWhole = zip(clock.spans, program.stages).allSatisfy { $0.count == $1.calls.count }
    #expect(isWhole)
    #expect(clock.end == plan.predicted.step, "\(proof)")
  }

  @Test(arguments: PipelineMatrix.cases)
  func `calls add up where gradients are reduced beside the last backward pass`(
    proof: ProofCase
  ) throws {
    var cluster = SyntheticCluster.cluster
    cluster.device.operators.overlapsGradients = true
    let (clock, step) = try clocked(proof, on: cluster)
    #expect(clock.end == step, "\(proof)")
  }

  /// The clock of a plan on `cluster`, call by call, and the step that is predicted there.
  private func clocked(
    _ proof: ProofCase, on cluster: Cluster
  ) throws -> (clock: ProgramClock, step: Picoseconds) {
    let (plan, program) = try proof.plan()
    let cost = ClusterCost(
      cluster: cluster, precision: plan.workload.precision, mesh: plan.choices.mesh,
      placement: plan.choices.placement)
    let training = try TrainingGraph(model: proof.model, workload: proof.workload)
    let predicted = try Partitioner.predict(training, choices: plan.choices, cluster: cluster)
    return (ProgramClock(program, schedule: plan.choices.schedule, cost: cost), predicted.step)
  }

  @Test(arguments: PipelineMatrix.cases)
  func `calls add up where devices are threads that share cores`(proof: ProofCase) throws {
    var cluster = SyntheticCluster.cluster
    cluster.sharedCores = 2
    let (clock, step) = try clocked(proof, on: cluster)
    #expect(clock.end == step, "\(proof)")
    let isOrdered = clock.spans.allSatisfy { spans in
      zip(spans, spans.dropFirst()).allSatisfy { $0.end <= $1.start }
        && (spans.last?.end ?? .zero) <= clock.end
    }
    #expect(isOrdered)
  }

  @Test(arguments: PipelineMatrix.cases.prefix(8))
  func `devices run the calls that their stage plans, in order`(proof: ProofCase) throws {
    var proof = proof
    proof.settings.recordsCalls = true
    let (_, program) = try proof.plan()
    let run = try proof.run(validates: false).run
    for (device, spans) in run.calls.enumerated() {
      let planned = program.stages[program.mesh.stage(of: device)].calls
      let isOrdered = zip(spans, spans.dropFirst()).allSatisfy {
        $0.startSeconds + $0.seconds <= $1.startSeconds + 1e-9
      }
      #expect(spans.map(\.call) == planned && isOrdered)
    }
  }

  static var contexts: [ProofCase] {
    let layouts: [(LayoutName?, [Int])] = [
      (nil, [1]), (nil, [2]), (.summa, [2, 2]), (.tesseract, [1, 2, 2]),
      (.threeDimensional, [2, 1, 2]), (.stationary, [2, 2]), (.sequence, [2]),
    ]
    return layouts.flatMap { layout, mesh in
      [(2, 1, false), (4, 1, true), (2, 2, true), (2, 3, false)].map { context, pipeline, isLlama in
        var proof = ProofCase()
        (proof.layout, proof.mesh) = (layout, layout == nil ? [] : mesh)
        if layout == nil {
          (proof.tensor, proof.sequenceParallel) = (mesh[0], mesh[0] > 1)
        }
        // Eight heads, split over the tensor mesh and the context.
        (proof.context, proof.pipeline) = (layout == .stationary ? 2 : context, pipeline)
        proof.schedule = pipeline > 1 ? .oneForwardOneBackward : .none
        (proof.isLlama, proof.sample.isTied) = (isLlama, !isLlama)
        proof.sample.keyValueHeads = isLlama ? 4 : 8
        proof.sample.layers = 3
        proof.workload.dropout = isLlama ? 0 : 0.1
        proof.gathersInputs = context == 4 ? .again : .saved
        (proof.microBatches, proof.workload.globalBatch) = (2, 8)
        proof.settings.dtype = .float64
        return proof
      }
    }
  }

  @Test(arguments: contexts)
  func `the sequence may be split over a context axis`(proof: ProofCase) throws {
    let verdict = try proof.run()
    let faults = verdict.faults
    #expect(faults.isEmpty, "\(proof): \(faults)")
    let exchanges = verdict.traffic.contains {
      $0.axis.contains("context") && $0.collective == "all-to-all"
    }
    #expect(exchanges, "\(proof)")
    #expect(verdict.run.leaked.allSatisfy { $0 == 0 })
  }

  @Test(arguments: PipelineMatrix.cases)
  func `every layout runs in every schedule`(proof: ProofCase) throws {
    let (_, program) = try proof.plan()
    let broken = ProgramVerifier.faults(of: program)
    #expect(broken.isEmpty, "\(proof): \(broken)")
    let verdict = try proof.run()
    let faults = verdict.faults
    #expect(faults.isEmpty, "\(proof): \(faults)")
    let error = try #require(verdict.parameterError)
    #expect(error < (proof.settings.dtype == .float64 ? 1e-8 : 1e-4), "\(proof)")
    #expect(verdict.run.leaked.allSatisfy { $0 == 0 })
  }
}
