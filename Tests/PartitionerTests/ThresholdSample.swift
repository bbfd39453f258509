import Partitioner
import PlanIR
import TestSupport

/// Plans of one step in pairs, with the thresholds between the two.
struct ThresholdSample {
  let training: TrainingGraph
  let pairs: [Pair]

  /// Two plans that take different time.
  struct Pair: CustomStringConvertible {
    let plan, other: Plan
    let thresholds: Thresholds

    var winner: Plan { thresholds.winner == .plan ? plan : other }
    var loser: Plan { thresholds.winner == .plan ? other : plan }
    var description: String {
      "\(winner.choices.canonicalText) before \(loser.choices.canonicalText)"
    }
  }

  /// On ``SyntheticCluster``, made once for all tests.
  static let shared = Result { try ThresholdSample(on: SyntheticCluster.cluster) }

  /// Plans of several layouts, with stages, context and recomputation, on `cluster`.
  init(on cluster: Cluster, globalBatch: Int = 16) throws {
    var sample = SampleModel()
    (sample.hidden, sample.headWidth, sample.wide, sample.positions) = (512, 64, 2048, 256)
    sample.layers = 4
    let training = try TrainingGraph(
      model: sample.gpt2(), workload: Workload(globalBatch: globalBatch, sequence: 256))
    self.training = training
    let plans = Self.pins.compactMap { pins -> Plan? in
      let request = SearchRequest(
        training: training, cluster: cluster, devices: 16, pins: pins, keep: 1)
      return Search.run(request).plans.first.map {
        Plan(
          model: training.model, cluster: cluster, workload: training.workload,
          choices: $0.choices, predicted: $0.predicted)
      }
    }
    pairs = try plans.indices.flatMap { first in
      try plans.indices.compactMap { second in
        let (plan, other) = (plans[first], plans[second])
        guard first < second, plan.predicted.step != other.predicted.step else { return nil }
        let thresholds = try Thresholds.between(plan, other, training)
        return Pair(plan: plan, other: other, thresholds: thresholds)
      }
    }
  }

  private static let pins: [Pins] = {
    let changes: [(inout Pins) -> Void] = [
      { $0.layout = .data }, { ($0.layout, $0.tensor) = (.megatron, 4) },
      { ($0.layout, $0.tensor) = (.summa, 4) }, { ($0.layout, $0.tensor) = (.sequence, 4) },
      { ($0.layout, $0.tensor, $0.recompute) = (.megatron, 2, .full) },
      { ($0.layout, $0.pipeline, $0.interleave, $0.schedule) = (.data, 2, 2, .interleaved) },
      { ($0.layout, $0.pipeline, $0.tensor, $0.schedule) = (.megatron, 4, 2, .zeroBubble) },
      { ($0.layout, $0.context, $0.tensor) = (.megatron, 4, 2) },
    ]
    return changes.map { change in
      var pins = Pins.flat
      change(&pins)
      return pins
    }
  }()
}
