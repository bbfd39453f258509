import PlanIR

/// Forward passes through layers whose activations a stage holds when its first gradient is due, of all its layers
/// together and of one layer at most.
package struct HeldPasses: Hashable {
  package let all, layer: Int
  /// Whether gradients of weights come after those of inputs of all layers.
  package let areSplit: Bool

  package init(all: Int, layer: Int, areSplit: Bool = false) {
    (self.all, self.layer, self.areSplit) = (all, layer, areSplit)
  }
}

extension PipelineOrder {
  /// Those of `stage` with `count` layers: by then it has sent as many micro-batches through its chunks as the
  /// order takes ahead. A test holds ``operations(of:)`` to it.
  package func heldPasses(_ stage: Int, layers count: Int) -> HeldPasses {
    guard schedule == .interleaved else {
      let ahead = schedule == .gpipe ? microBatches : min(stages - stage, microBatches)
      return HeldPasses(all: ahead * count, layer: ahead, areSplit: schedule == .zeroBubble)
    }
    let total = microBatches * chunks
    let warmUp =
      microBatches == stages ? total : 2 * (stages - 1 - stage) + (chunks - 1) * stages
    let passes = min(warmUp + 1, total)
    let round = stages * chunks
    func layers(before chunk: Int) -> Int { count * chunk / chunks }
    func sum(_ passes: Int) -> Int {
      let (chunk, rest) = passes.quotientAndRemainder(dividingBy: stages)
      return layers(before: chunk) * stages
        + (layers(before: min(chunk + 1, chunks)) - layers(before: chunk)) * rest
    }
    return HeldPasses(
      all: passes / round * sum(round) + sum(passes % round),
      layer: passes / round * stages + min(passes % round, stages))
  }
}
