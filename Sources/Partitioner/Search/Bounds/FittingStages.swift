import PlanIR

/// What the busiest stage takes at least of a micro-batch for every stage to fit in memory: layers that do
/// not fit as they are must be computed again, and those that fit nowhere have no plan.
///
/// Each stage may hold any part of a layer. With S bytes of parameters a layer and K of a micro-batch, of
/// which computing it again saves D, a stage of n layers with I micro-batches in flight must save
/// (S + I K) n - M bytes of the M that it has, at a rate of no less than the cheapest kind's. The longer
/// stages may take, the more layers they hold: the least time at which they hold all is found by halving.
///
/// A layer is held whole again as its gradients are computed: of all passes in flight one saves nothing. Where
/// gradients of weights come later, those of the same micro-batch wait for them.
struct FittingStages {
  let stages, microBatches: Int
  /// Layers to hold, and bytes that each stage has for them and what lies beside.
  let layers: Int
  private let room: Double
  /// Bytes of parameters beside layers on the first stage and the last, and those of the head's gradient.
  private let beside: (first: Double, last: Double, head: Double)
  /// Of a layer: bytes of parameters, those kept of a micro-batch, of these what computing it again may save, and
  /// those left between its gradients.
  private let stored, kept, saved, owed: Double
  /// Bytes beside what is kept as the gradients of a layer are computed: where none is computed again, and where
  /// all are.
  private let gradient: (whole: Double, lean: Double)
  /// Bytes that a layer holds of a micro-batch before its gradients are computed, and beside as they are.
  private let whole, transient: Double
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
    self.room = Double(room.count)
    self.beside = (Double(beside.first), Double(beside.last), Double(beside.head))
    stored = Double(storedBytes)
    owed = Double(memory.owed)
    let pinned = recompute.flatMap { $0 == .mixed ? nil : $0 }
    let whole = Double(memory.kept[.none] ?? 0)
    self.whole = whole
    kept = pinned.map { Double(memory.kept[$0] ?? 0) } ?? whole
    each = Double(passes.all.count + (pinned.flatMap { memory.again[$0] } ?? .zero).count)
    transient = Double(memory.transient)
    guard pinned == nil else {
      (saved, rate, again) = (0, 0, 0)
      let gradient = transient + max(0, whole - kept)
      self.gradient = (gradient, gradient)
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
    gradient = (transient, transient + most)
  }

  // MARK: - What a stage holds

  /// Bytes of parameters beside layers on `stage`.
  private func taken(_ stage: Int) -> Double {
    (stage == 0 ? beside.first : 0) + (stage == stages - 1 ? beside.last : 0)
  }

  /// Bytes on `stage` beside what its layers keep when its first gradient is due: a layer's, or before it the head's.
  private func instant(_ stage: Int, _ gradient: Double) -> Double {
    taken(stage) + (stage == stages - 1 ? max(gradient, beside.head) : gradient)
  }

  /// The same of a stage without layers.
  private func withoutLayers(_ stage: Int) -> Double {
    taken(stage) + (stage == stages - 1 ? beside.head : 0)
  }

  /// What `stage` holds at least of `count` layers that hold `passes`, each of which saves `saved` of a micro-batch but
  /// for those that are held whole again.
  private func held(_ stage: Int, _ count: Int, _ passes: HeldPasses, saved: Double) -> Double {
    let parameters = stored * Double(count)
    let first =
      parameters + Double(passes.all) * (kept - saved)
      + instant(stage, saved > 0 ? gradient.lean : gradient.whole)
    guard passes.areSplit else { return first }
    // The last input gradient of the micro-batch: its other layers wait for those of weights.
    let others = Double(passes.all - count) * (kept - saved)
    let waiting = owed * Double(count - 1) + whole
    return max(first, parameters + others + waiting + transient + taken(stage))
  }

  /// What a stage of `count` layers that holds `passes` holds at least.
  func bytes(_ stage: Int, layers count: Int, _ passes: HeldPasses) -> Int {
    guard count > 0 else { return Int(withoutLayers(stage)) }
    let least = min(
      held(stage, count, passes, saved: 0), held(stage, count, passes, saved: saved))
    return Int(least * (1 - 1e-9))
  }

  /// What a stage of `count` layers that holds `passes` takes more at least for computing again what it must to
  /// fit; nil where it does not.
  func more(_ stage: Int, layers count: Int, _ passes: HeldPasses) -> Picoseconds? {
    guard count > 0 else { return withoutLayers(stage) <= room ? .zero : nil }
    let missing = held(stage, count, passes, saved: 0) - room
    guard missing > 0 else { return .zero }
    let lean = held(stage, count, passes, saved: saved)
    guard saved > 0, lean * (1 - 1e-9) <= room else { return nil }
    let layer = Double(passes.layer)
    let least = (missing / (layer * saved) * (1 - 1e-9)).rounded(.up)
    guard least <= Double(count) else { return nil }
    return Picoseconds(Int(max(least * again, missing / layer * rate) * (1 - 1e-9)))
  }

  // MARK: - What all stages hold

  /// Micro-batches in flight on a stage at least, and of one layer at most.
  private func inFlight(_ stage: Int, isInterleaved: Bool) -> (all: Double, layer: Double) {
    let least = min(stages - stage, microBatches)
    guard isInterleaved else { return (Double(least), Double(least)) }
    let most = min(microBatches, max(stages, 2 * (stages - stage) - 1))
    return (Double(least), Double(most))
  }

  /// Layers that a stage can hold in `room`, whatever they take.
  private func layers(_ stage: Int, within room: Double, inFlight all: Double) -> Double {
    let whole = (room - instant(stage, gradient.whole)) / max(stored + all * kept, 1)
    let lean = (room - instant(stage, gradient.lean)) / max(stored + all * (kept - saved), 1)
    return max(0, whole, lean)
  }

  /// Layers that a stage can hold if it may take `time` of a micro-batch.
  private func layers(_ stage: Int, in time: Double, isInterleaved: Bool) -> Double {
    let (all, layer) = inFlight(stage, isInterleaved: isInterleaved)
    let held = stored + all * kept
    let room = room - instant(stage, gradient.whole)
    guard room >= 0 else { return 0 }
    var count = min(
      each > 0 ? time / each : Double(layers), layers(stage, within: self.room, inFlight: all))
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
    let inFlight = (0..<stages).map { self.inFlight($0, isInterleaved: isInterleaved).all }
    let empty = (0..<stages).reduce(0) { max($0, withoutLayers($1)) }
    let full = (0..<stages).reduce(0) {
      max($0, instant($1, gradient.whole) + Double(layers) * (stored + inFlight[$1] * kept))
    }
    var (low, high) = (empty, max(empty, full) + 1)
    for _ in 0..<30 {
      let middle = (low + high) / 2
      let count = (0..<stages).reduce(0.0) {
        $0 + layers($1, within: middle, inFlight: inFlight[$1]).rounded(.down)
      }
      if count >= Double(layers) { high = middle } else { low = middle }
    }
    return Int(low)
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
    if holds(low, isInterleaved: isInterleaved) { return least }
    let all = Double(layers) * (each + rate * (stored + Double(microBatches) * kept))
    var high = max(all, low) * 2 + 1
    guard holds(high, isInterleaved: isInterleaved) else { return nil }
    for _ in 0..<20 {
      let middle = (low + high) / 2
      if holds(middle, isInterleaved: isInterleaved) { high = middle } else { low = middle }
    }
    return Int(low)
  }
}
