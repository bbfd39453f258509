import PlanIR

/// What a layer holds at least, and what it takes to hold less: of several kinds of layers the least of each.
struct LayerMemory {
  /// Bytes of one layer's parameters, by what they are.
  var stored = MemoryUse()
  /// Bytes that one layer keeps of a micro-batch past the forward pass, by what of it is computed again.
  var kept: ByRecomputation<Int> = [:]
  /// What computing the layer again takes at least.
  var again: ByRecomputation<Picoseconds> = [:]
  /// Bytes that the gradient of its last block holds beside what was kept.
  var transient = 0

  init() {}

  /// One layer of `blocks`, which take `again` for being computed again.
  init(_ blocks: [HeldBlock<TotalBytes>], again: ByRecomputation<Picoseconds>) {
    self.again = again
    stored.add(Bytes(blocks.reduce(0) { $0 + $1.stored.bytes }), .weight)
    transient = blocks.last?.inputGradient.peak.bytes ?? 0
    for kind in [Recomputation.none] + again.kinds {
      kept[kind] = blocks.reduce(0) { $0 + $1.forms.forward(kind).change.bytes }
    }
  }

  /// The same if it kept nothing past the forward pass.
  var keepingNothing: LayerMemory {
    var result = self
    result.kept = kept.mapValues { _ in 0 }
    result.transient = 0
    return result
  }

  /// The lesser of each.
  func least(_ other: LayerMemory) -> LayerMemory {
    var result = self
    result.stored = stored.least(other.stored)
    result.transient = min(transient, other.transient)
    result.kept.merge(other.kept) { min($0, $1) }
    result.again.merge(other.again) { min($0, $1) }
    return result
  }

  /// Adds a block of the same layer.
  mutating func add(_ block: LayerMemory) {
    stored = stored + block.stored
    transient += block.transient
    kept.merge(block.kept, +)
    again.merge(block.again, +)
  }
}

/// What the busiest stage takes at least of a micro-batch for every stage to fit in memory: layers that do
/// not fit as they are must be computed again, and those that fit nowhere have no plan.
///
/// Each stage may hold any part of a layer. With S bytes of parameters a layer and K of a micro-batch, of
/// which computing it again saves D, a stage of n layers with I micro-batches in flight must save
/// (S + I K) n - M bytes of the M that it has, at a rate of no less than the cheapest kind's. The longer
/// stages may take, the more layers they hold: the least time at which they hold all is found by halving.
struct FittingStages {
  let stages, microBatches: Int
  /// Layers to hold, and bytes that each stage has for them and what lies beside.
  let layers: Int
  private let room: Double
  private let transient: Int
  /// Bytes of parameters beside layers on the first stage and the last.
  private let beside: (first: Double, last: Double)
  private let stored, kept, saved: Double
  /// What a layer takes, picoseconds a byte that is saved of it, and what computing one again takes at least.
  private let each, rate, again: Double

  /// Of layers that take `passes` and hold `memory`, `storedBytes` of it parameters; where `recompute` is
  /// pinned, all alike.
  init(
    stages: Int, microBatches: Int, layers: Int, room: Bytes,
    beside: EndsBytes, passes: PassBound, memory: LayerMemory, storedBytes: Int,
    recompute: Recomputation?
  ) {
    (self.stages, self.microBatches, self.layers) = (stages, microBatches, layers)
    transient = beside.transient(memory.transient, stages: stages)
    self.room = Double(room.count - transient)
    self.beside = (Double(beside.first), Double(beside.last))
    stored = Double(storedBytes)
    let pinned = recompute.flatMap { $0 == .mixed ? nil : $0 }
    let whole = Double(memory.kept[pinned ?? .none] ?? 0)
    kept = whole
    each = Double(passes.all.count + (pinned.flatMap { memory.again[$0] } ?? .zero).count)
    guard pinned == nil else {
      (saved, rate, again) = (0, 0, 0)
      return
    }
    var (most, least, one) = (0.0, Double.infinity, Double.infinity)
    for (kind, bytes) in memory.kept where kind != .none && Double(bytes) < whole {
      let saving = whole - Double(bytes)
      most = max(most, saving)
      let time = Double((memory.again[kind] ?? .zero).count)
      (least, one) = (min(least, time / saving), min(one, time))
    }
    (saved, rate, again) = most > 0 ? (most, least, one) : (0, 0, 0)
  }

  /// Bytes that `stage` has for layers.
  private func room(_ stage: Int) -> Double { room - taken(stage) }

  private func taken(_ stage: Int) -> Double {
    (stage == 0 ? beside.first : 0) + (stage == stages - 1 ? beside.last : 0)
  }

  /// Micro-batches in flight on a stage at least, and of one layer at most.
  private func inFlight(_ stage: Int, isInterleaved: Bool) -> (all: Double, layer: Double) {
    let least = min(stages - stage, microBatches)
    guard isInterleaved else { return (Double(least), Double(least)) }
    let most = min(microBatches, max(stages, 2 * (stages - stage) - 1))
    return (Double(least), Double(most))
  }

  /// Layers that a stage can hold if it may take `time` of a micro-batch.
  private func layers(_ stage: Int, in time: Double, isInterleaved: Bool) -> Double {
    let (all, layer) = inFlight(stage, isInterleaved: isInterleaved)
    let held = stored + all * kept
    let room = room(stage)
    guard room >= 0 else { return 0 }
    // All computed again.
    let most = room / max(stored + all * (kept - saved), 1)
    var count = min(each > 0 ? time / each : Double(layers), most)
    if held * count > room {
      guard saved > 0 else { return room / held }
      // each n + rate (held n - room) / layer = time
      let slope = rate * held / layer
      count = min(count, (time + rate * room / layer) / max(each + slope, 1e-9))
    }
    return min(max(count, 0), Double(layers))
  }

  /// What the fullest stage holds at least: cut in the best way, as much computed again as helps.
  func leastBytes(isInterleaved: Bool) -> Int {
    func held(_ stage: Int) -> Double {
      stored + inFlight(stage, isInterleaved: isInterleaved).all * (kept - saved)
    }
    let beside = (0..<stages).reduce(0) { max($0, taken($1)) }
    let most = Double(layers) * (0..<stages).reduce(0) { max($0, held($1)) }
    // A stage without layers holds no gradient of one.
    var (low, high) = (beside, beside + Double(transient) + most + 1)
    for _ in 0..<30 {
      let middle = (low + high) / 2
      let count = (0..<stages).reduce(0.0) {
        let room = middle - Double(transient) - taken($1)
        return $0 + (max(0, room) / max(held($1), 1)).rounded(.down)
      }
      if count >= Double(layers) { high = middle } else { low = middle }
    }
    return Int(low)
  }

  /// What a stage of `count` layers that holds `passes` holds at least.
  func bytes(_ stage: Int, layers count: Int, _ passes: HeldPasses) -> Int {
    Int((least(count, passes) + taken(stage)) * (1 - 1e-9)) + (count > 0 ? transient : 0)
  }

  /// What so many layers hold where all of them are computed again.
  private func least(_ count: Int, _ passes: HeldPasses) -> Double {
    stored * Double(count) + Double(passes.all) * (kept - saved)
  }

  /// What a stage of `count` layers that holds `passes` takes more at least for computing again what it must to
  /// fit; nil where it does not.
  func more(_ stage: Int, layers count: Int, _ passes: HeldPasses) -> Picoseconds? {
    guard count > 0 else { return taken(stage) <= room + Double(transient) ? .zero : nil }
    let missing = stored * Double(count) + Double(passes.all) * kept - room(stage)
    guard missing > 0 else { return .zero }
    guard saved > 0, least(count, passes) * (1 - 1e-9) <= room(stage) else { return nil }
    let layer = Double(passes.layer)
    let least = (missing / (layer * saved) * (1 - 1e-9)).rounded(.up)
    guard least <= Double(count) else { return nil }
    return Picoseconds(Int(max(least * again, missing / layer * rate) * (1 - 1e-9)))
  }

  private func holds(_ time: Double, isInterleaved: Bool) -> Bool {
    var sum = 1e-6
    for stage in 0..<stages {
      sum += (layers(stage, in: time, isInterleaved: isInterleaved) * (1 + 1e-9)).rounded(.down)
      if sum >= Double(layers) { return true }
    }
    return false
  }

  /// The least time of the busiest stage, no less than `least`; nil where the layers do not fit.
  func busiest(atLeast least: Int, isInterleaved: Bool) -> Int? {
    var low = Double(least)
    if room >= 0, holds(low, isInterleaved: isInterleaved) { return least }
    let all = Double(layers) * (each + rate * (stored + Double(microBatches) * kept))
    var high = max(all, low) * 2 + 1
    guard room > 0, holds(high, isInterleaved: isInterleaved) else { return nil }
    for _ in 0..<20 {
      let middle = (low + high) / 2
      if holds(middle, isInterleaved: isInterleaved) { high = middle } else { low = middle }
    }
    return Int(low)
  }
}
