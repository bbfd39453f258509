import PlanIR

/// What a step takes at least, from what its layers do.
///
/// Derived from what any order of micro-batches has in common: the busiest stage has its share of all there
/// is to do, and at least a stage's number of layers. Where stages are not interleaved its first micro-batch
/// comes through those before and after it, and its last goes back. A test holds ``StageClock`` to it.
package struct StageBound {
  package let stages, microBatches, layers: Int
  /// Of the layer that takes least.
  private let least: PassBound
  /// What the busiest stage takes of a micro-batch.
  package let busiest: Int

  /// Of stages that hold `bound`'s layers, with what the ends compute in all at least on the devices of one
  /// stage.
  init(
    stages: Int, microBatches: Int, layers: Int, _ bound: LayerBound, ends: Picoseconds = .zero
  ) {
    (self.stages, self.microBatches, self.layers) = (stages, microBatches, layers)
    least = bound.least ?? PassBound()
    let share = (bound.total.all + ends).count / stages
    busiest = max(share, least.all.count * ((layers + stages - 1) / stages))
  }

  /// Of `layers` that take `passes` each.
  package init(stages: Int, microBatches: Int, layers: Int, each passes: PassBound) {
    var bound = LayerBound()
    bound.add(LayerTimes(passes: passes), layers: layers)
    self.init(stages: stages, microBatches: microBatches, layers: layers, bound)
  }

  /// A step whose busiest stage takes `busiest` of a micro-batch.
  package func step(busiest: Int, isInterleaved: Bool) -> Int {
    let work = (Picoseconds(busiest) * microBatches).count
    guard stages > 1, !isInterleaved, least.all > .zero else { return work }
    // Before its first gradient the stage takes no more micro-batches forward than there are stages, or all
    // of them, which takes longer; after its last one it may still owe as many gradients of weights. It has
    // no more layers than its time allows.
    let most = Double(busiest) / Double(least.all.count)
    let ahead = (least.forward + least.weightGradient) * min(stages, microBatches)
    let passing = (least.forward + least.inputGradient) * layers
    let owed = Double((ahead + least.inputGradient).count) * most
    return max(work, work + passing.count - Int(owed.rounded(.up)))
  }
}
