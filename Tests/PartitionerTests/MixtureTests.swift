import Foundation
import Partitioner
import PlanIR
import TestSupport
import Testing

/// The search for mixtures against every mixture, priced one by one.
@Suite struct MixtureTests {
  struct Case: Sendable, CustomStringConvertible {
    var devices: Int
    var tensor: Int
    var batch: Int
    var microBatches: [Int]
    /// Whether layers stand alone, without embedding and head.
    var isStack = false
    var objective = Objective.time
    /// What is pinned; nil opens it.
    var zero: Int? = 0
    var gathers: GatherChoice? = .saved
    var matmul: MatmulSchedule? = .gathered
    var sequenceParallel: Bool? = false
    /// Whether what plans compute and send has times that are drawn.
    var isMeasured = false

    var description: String {
      let pins = [
        zero.map { "zero \($0)" }, gathers.map { "gathers \($0.rawValue)" },
        matmul.map { "matmul \($0.rawValue)" },
        sequenceParallel.map { "sequence parallel \($0)" },
      ]
      return "\(devices) devices, tensor \(tensor), batch \(batch), "
        + "micro-batches of \(microBatches), \(isStack ? "layers alone" : "whole model"), "
        + (isMeasured ? "measured, " : "")
        + "\(objective.rawValue), pinned: \(pins.compactMap(\.self).joined(separator: ", "))"
    }
  }

  static var cases: [Case] {
    let short = [
      Case(devices: 4, tensor: 2, batch: 4, microBatches: [2], isStack: true, zero: 3),
      Case(devices: 4, tensor: 2, batch: 4, microBatches: [2], isStack: true, zero: nil),
      Case(devices: 4, tensor: 2, batch: 4, microBatches: [1], isStack: true, zero: 2),
      Case(devices: 4, tensor: 4, batch: 2, microBatches: [2], isStack: true),
      Case(
        devices: 4, tensor: 4, batch: 2, microBatches: [2], isStack: true, objective: .memory,
        matmul: nil),
      Case(devices: 6, tensor: 6, batch: 3, microBatches: [3]),
      // Pinned features that only one block's layout has.
      Case(
        devices: 4, tensor: 4, batch: 2, microBatches: [2], isStack: true, sequenceParallel: true),
      Case(
        devices: 4, tensor: 4, batch: 2, microBatches: [2], isStack: true, matmul: .stepped),
      Case(devices: 4, tensor: 2, batch: 4, microBatches: [2], isMeasured: true),
      Case(devices: 2, tensor: 2, batch: 2, microBatches: [1, 2], matmul: nil, isMeasured: true),
    ]
    let long = [
      Case(devices: 4, tensor: 4, batch: 2, microBatches: [2], gathers: nil, isMeasured: true),
      Case(
        devices: 4, tensor: 4, batch: 2, microBatches: [2], matmul: nil, sequenceParallel: nil,
        isMeasured: true),
      Case(devices: 6, tensor: 6, batch: 3, microBatches: [3], matmul: nil, isMeasured: true),
      Case(devices: 4, tensor: 2, batch: 4, microBatches: [2], isStack: true, zero: nil),
      Case(devices: 4, tensor: 4, batch: 2, microBatches: [2], isStack: true, gathers: nil),
      Case(
        devices: 4, tensor: 4, batch: 2, microBatches: [2], isStack: true, objective: .memory,
        matmul: nil, sequenceParallel: nil),
      Case(devices: 4, tensor: 2, batch: 4, microBatches: [1, 2], zero: nil),
      Case(devices: 4, tensor: 2, batch: 4, microBatches: [2], gathers: nil),
      Case(devices: 4, tensor: 4, batch: 2, microBatches: [2], gathers: nil),
      Case(
        devices: 4, tensor: 4, batch: 2, microBatches: [2], matmul: nil, sequenceParallel: nil),
      Case(
        devices: 6, tensor: 6, batch: 3, microBatches: [3], objective: .memory, gathers: nil,
        matmul: nil, sequenceParallel: nil),
    ]
    return LayoutMatrix.isFull ? short + long : short
  }

  private func training(_ test: Case) throws -> TrainingGraph {
    var sample = SampleModel()
    (sample.hidden, sample.wide, sample.layers, sample.positions) = (48, 96, 2, 12)
    (sample.heads, sample.keyValueHeads, sample.headWidth) = (2, 2, 24)
    (sample.hasEmbedding, sample.hasHead) = (!test.isStack, !test.isStack)
    let workload = Workload(globalBatch: test.batch, sequence: 12)
    return try TrainingGraph(model: sample.gpt2(), workload: workload)
  }

  @Test(arguments: cases)
  func `the best mixture is the best of all mixtures`(test: Case) throws {
    let training = try training(test)
    let seed = UInt64.random(in: 0...UInt64.max)
    var timings = TimingTable()
    if test.isMeasured {
      let request = SearchRequest(
        training: training, cluster: SyntheticCluster.cluster, devices: test.devices, keep: 20)
      timings = try .drawn(request, seed: seed, share: 0.7)
    }
    let start = Date()
    let expected = try #require(best(test, training, timings))
    let seconds = Date().timeIntervalSince(start)
    var pins = Pins.flat
    (pins.layout, pins.tensor, pins.zero) = (.mixed, test.tensor, test.zero)
    (pins.gathersInputs, pins.gathersWeights) = (test.gathers, test.gathers)
    (pins.matmul, pins.sequenceParallel) = (test.matmul, test.sequenceParallel)
    if test.microBatches.count == 1 { pins.microBatch = test.microBatches[0] }
    let request = SearchRequest(
      training: training, cluster: SyntheticCluster.cluster, devices: test.devices, pins: pins,
      objective: test.objective, timings: timings, keep: 1)
    let found = try #require(Search.run(request).plans.first)
    if LayoutMatrix.isFull { print("\(test): \(expected.count) priced in \(seconds) s") }
    let key = Self.key(found.predicted, test.objective)
    #expect(
      key == expected.key,
      """
      found \(found.choices.canonicalText)
      best of all \(expected.choices.canonicalText)
      seed \(seed)
      """)
  }

  /// Embedding and head in layouts of which one loops over panels, and of like tables one that does not.
  @Test func `mixtures with loops over panels cost what their whole programs do, in their order`()
    throws
  {
    let training = try training(Case(devices: 2, tensor: 2, batch: 4, microBatches: [4]))
    var pins = Pins.flat
    (pins.layout, pins.tensor, pins.matmul, pins.zero) = (.mixed, 2, .stepped, 0)
    (pins.gathersInputs, pins.gathersWeights) = (.saved, .saved)
    let answer = Search.run(
      SearchRequest(
        training: training, cluster: SyntheticCluster.cluster, devices: 2, pins: pins, keep: 3_000))
    let steps = answer.plans.map(\.predicted.step)
    #expect(answer.mispriced.isEmpty, "\(answer.mispriced.count), \(answer.mispriced.first ?? "")")
    #expect(steps == steps.sorted())
    #expect(
      answer.plans.contains { plan in
        plan.choices.blocks[.embedding] == .summa && plan.choices.blocks[.head] == .stationary
      })
  }

  /// The best of all mixtures, and how many there are.
  private func best(
    _ test: Case, _ training: TrainingGraph, _ timings: TimingTable
  ) -> (key: [Int], choices: PlanChoices, count: Int)? {
    var all = EveryMixture(training, devices: test.devices, microBatches: test.microBatches)
    if let pinned = test.gathers { all.gathers = [pinned] }
    if let pinned = test.matmul { all.matmul = [pinned] }
    if let pinned = test.sequenceParallel { all.sequenceParallel = [pinned] }
    if let zero = test.zero {
      all.weightsOver = [zero == 3 ? ["data"] : []]
      all.zero = [zero]
    }
    var best: (key: [Int], choices: PlanChoices)?
    var count = 0
    all.forEach(tensor: test.tensor) { choices in
      guard
        let predicted = try? Partitioner.predict(
          training, choices: choices, cluster: SyntheticCluster.cluster, timings: timings)
      else { return }
      count += 1
      let key = Self.key(predicted, test.objective)
      if best.map({ key.lexicographicallyPrecedes($0.key) }) ?? true { best = (key, choices) }
    }
    return best.map { ($0.key, $0.choices, count) }
  }

  private static func key(_ predicted: Prediction, _ objective: Objective) -> [Int] {
    let (step, memory) = (predicted.step.count, predicted.memory.total.count)
    return objective == .time ? [step, memory] : [memory, step]
  }
}
