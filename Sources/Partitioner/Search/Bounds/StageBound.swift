import PlanIR

/// What a step takes at least, from what its layers do.
///
/// Derived from what any order of micro-batches has in common: the busiest stage has its share of all there
/// is to do, and at least a stage's number of layers. Where stages are not interleaved its first micro-batch
/// comes through those before and after it, and its last goes back; where they are, the first comes through a
/// layer at least of each stage before it, and the last one's gradient goes back so. Gradients that are reduced beside
/// the last backward pass begin no earlier than that does. A test holds ``StageClock`` to it.
package struct StageBound {
  package let stages, microBatches, layers: Int
  /// Of the layer that takes least.
  private let least: PassBound
  /// Of all layers.
  private let total: PassBound
  /// What a layer takes once a step at least.
  private let once: OnceBound
  /// What the ends compute at least on the devices of one stage.
  private let ends: Picoseconds
  /// What the busiest stage takes of a micro-batch.
  package let busiest: Int
  /// What stages take of a step on average.
  private let mean: Int
  private let cores: SharedCores
  /// Over all cuts, of parts of the chain one a stage, and several; nothing is known of it where it is zero.
  private let cut: (whole: Int, interleaved: Int)

  /// Of stages that hold `bound`'s layers, each of which takes `once` a step, with what the ends compute in
  /// all at least on the devices of one stage.
  init(
    stages: Int, microBatches: Int, layers: Int, _ bound: LayerBound, once: OnceBound = OnceBound(),
    ends: Picoseconds = .zero, cores: SharedCores = SharedCores(contention: 1)
  ) {
    self.init(stages, microBatches, layers, bound, once, ends, cores, cut: (0, 0))
  }

  /// The same where it is known what the ends take, and how stages hand on the stream; of steps that are interleaved, or
  /// not, as `interleaves` say.
  init(
    stages: Int, microBatches: Int, layers: Int, _ bound: LayerBound, once: OnceBound,
    _ parts: StageParts, interleaves: [Bool], cores: SharedCores
  ) {
    let cut = LeastCut(
      stages: stages, microBatches: microBatches, layers: layers,
      least: bound.least ?? PassBound(), total: bound.total, once: once, parts)
    self.init(
      stages, microBatches, layers, bound, once, parts.all(stages: stages), cores,
      cut: (
        interleaves.contains(false) ? cut.step(isInterleaved: false) : 0,
        interleaves.contains(true) ? cut.step(isInterleaved: true) : 0
      ))
  }

  private init(
    _ stages: Int, _ microBatches: Int, _ layers: Int, _ bound: LayerBound, _ once: OnceBound,
    _ ends: Picoseconds, _ cores: SharedCores, cut: (whole: Int, interleaved: Int)
  ) {
    (self.stages, self.microBatches, self.layers) = (stages, microBatches, layers)
    (least, total) = (bound.least ?? PassBound(), bound.total)
    (self.once, self.ends, self.cut) = (once, ends, cut)
    let share = (bound.total.all + ends).count / stages
    busiest = max(share, (least.all * ((layers + stages - 1) / stages)).count)
    let updates = Picoseconds((once.time * layers).count / stages)
    mean = (Picoseconds(share) * microBatches + updates).count
    self.cores = cores
  }

  /// Of `layers` that take `passes` each.
  package init(stages: Int, microBatches: Int, layers: Int, each passes: PassBound) {
    var bound = LayerBound()
    bound.add(LayerTimes(passes: passes), layers: layers)
    self.init(stages: stages, microBatches: microBatches, layers: layers, bound)
  }

  /// A step of stages that are interleaved, or not: whichever of `interleaves` is shorter.
  func step(_ interleaves: [Bool]) -> Int {
    var least: Int?
    for isInterleaved in interleaves {
      let own = step(busiest: busiest, isInterleaved: isInterleaved)
      least = min(least ?? own, own)
    }
    return least ?? 0
  }

  /// A step whose busiest stage takes `busiest` of a micro-batch.
  package func step(busiest: Int, isInterleaved: Bool) -> Int {
    let bound = max(
      makespan(busiest: busiest, isInterleaved: isInterleaved),
      isInterleaved ? cut.interleaved : cut.whole)
    return stages > 1 ? cores.least(makespan: bound, mean: mean - 1) : bound
  }

  /// The same if all devices worked all the time.
  private func makespan(busiest: Int, isInterleaved: Bool) -> Int {
    let work = Picoseconds(busiest) * microBatches
    guard stages > 1, least.all > .zero else {
      let updated = (work + Picoseconds((once.time * layers).count / stages)).count
      guard once.reductions > .zero, stages == 1 else { return updated }
      // All but the last backward pass is over before the first gradient is complete.
      let before = Picoseconds(busiest) * (microBatches - 1) + total.forward
      return max(updated, (before + (once.time + once.reductions) * layers).count)
    }
    // The stage with most layers has them to do, and updates them.
    let most = (layers + stages - 1) / stages
    let back = least.inputGradient + least.weightGradient
    let each = least.all * microBatches + once.time
    let held = ((each + max(.zero, once.reductions - back)) * most).count
    if isInterleaved { return max(work.count, interleaved, held) }
    // Before its first gradient the stage takes no more micro-batches forward than there are stages, or all
    // of them, which takes longer; after its last one it may still owe as many gradients of weights. It has
    // no more layers than its time allows.
    let longest = Double(busiest) / Double(least.all.count)
    let ahead = (least.forward + least.weightGradient) * min(stages, microBatches)
    let passing = (least.forward + least.inputGradient) * layers
    let owed = Double((ahead + least.inputGradient).count) * longest
    let after = work + passing - Picoseconds(whole: owed.rounded(.up))
    return max(work.count, held, after.count)
  }

  /// What several parts of the chain a stage take: those inside have as many layers but one, the last of them
  /// the most, and each of their parts has one.
  private var interleaved: Int {
    let inside = stages - 2
    guard inside > 0 else { return ends(layers) }
    func held(_ most: Int) -> Int { (waited(stages - 2) + work(most)).count }
    func left(_ most: Int) -> Int { ends(layers - inside * most) }
    // What those inside take grows with their layers, what the ends take falls.
    let all = max(1, (layers + inside - 1) / inside)
    let most = (1..<all).first(toMeet: { held($0) >= left($0) })
    let bound = max(held(most), left(most))
    return most > 1 ? min(bound, left(most - 1)) : bound
  }

  private func work(_ layers: Int) -> Picoseconds { least.all * microBatches * layers }

  /// What a stage waits at least for its first micro-batch, and after its last gradient: the first stage may
  /// begin without a layer.
  private func waited(_ stage: Int) -> Picoseconds { least.all * max(0, stage - 1) }

  /// What the first and the last stage take at least for `count` layers between them, and the ends.
  private func ends(_ count: Int) -> Int {
    let count = max(0, count)
    let last = waited(stages - 1) + ends * microBatches
    let even = (last + work(count)).count / max(1, (work(1) * 2).count)
    func taken(_ first: Int) -> Int { max(work(first), last + work(count - first)).count }
    return min(taken(min(even, count)), taken(min(even + 1, count)))
  }
}
