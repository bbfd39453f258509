import Partitioner
import PlanIR
import TestSupport
import Testing

/// Small twins of plans in which blocks have other layouts.
@Suite struct ShrinkerTests {
  private struct Case: CustomStringConvertible {
    let heads, keyValueHeads, devices: Int

    var description: String { "\(heads) heads, \(keyValueHeads) of keys, \(devices) devices" }
  }

  private static let cases = [
    Case(heads: 8, keyValueHeads: 8, devices: 4), Case(heads: 32, keyValueHeads: 8, devices: 4),
    Case(heads: 12, keyValueHeads: 12, devices: 6),
  ]

  @Test(arguments: cases.indices)
  func `mixtures have twins, whose joined axes split what heads they have`(_ index: Int) throws {
    let own = Self.cases[index]
    var sample = SampleModel()
    (sample.heads, sample.keyValueHeads, sample.headWidth) = (own.heads, own.keyValueHeads, 16)
    (sample.hidden, sample.wide, sample.positions) = (own.heads * 16, own.heads * 48, 128)
    let model = own.heads == own.keyValueHeads ? sample.gpt2() : sample.llama()
    let training = try TrainingGraph(
      model: model, workload: Workload(globalBatch: 24, sequence: 128))
    var all = EveryMixture(training, devices: own.devices, microBatches: [12])
    (all.sequenceParallel, all.gathers, all.matmul) = ([false], [.saved], [.gathered])
    var (seen, shrunk) = (0, 0)
    all.forEach(tensor: own.devices) { choices in
      seen += 1
      guard seen % 397 == 0,
        let predicted = try? Partitioner.predict(
          training, choices: choices, cluster: SyntheticCluster.cluster)
      else { return }
      let whole = Plan(
        model: model, cluster: SyntheticCluster.cluster, workload: training.workload,
        choices: choices, predicted: predicted)
      do {
        let twin = try Shrinker.twin(of: whole)
        #expect(twin.plan.choices.blocks == choices.blocks)
        shrunk += 1
      } catch {
        Issue.record("\(own): \(choices.canonicalText): \(error)")
      }
    }
    #expect(shrunk > 5, "\(own): \(shrunk) of \(seen)")
  }
}
