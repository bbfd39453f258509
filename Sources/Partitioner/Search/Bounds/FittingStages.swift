import PlanIR

/// What the busiest stage takes at least of a micro-batch for every stage to fit in memory: layers that do
/// not fit as they are must be computed again, and those that fit nowhere have no plan.
///
/// Each stage may hold any part of a layer. With S bytes of parameters a layer and K of a micro-batch, of
/// which computing it again saves D, a stage of n layers with I n - J passes through a layer in flight must save
/// (S + I K) n - J K - M bytes of the M that it has, at a rate of no less than the cheapest kind's. The longer
/// stages may take, the more layers they hold: the least time at which they hold all is found by halving.
struct FittingStages {
  private let held: HeldStages
  /// Bytes that each stage has.
  private let room: Double
  /// What a layer takes, picoseconds a byte that is saved of it, and what computing one again takes at least.
  private let each, rate, again: Double

  /// Of layers that take `passes`, and `again` for being computed again.
  init(
    _ held: HeldStages, room: Bytes, passes: PassBound, again: ByRecomputation<Picoseconds>
  ) {
    self.held = held
    self.room = Double(room.count)
    each = Double(passes.all.count + (held.pinned.flatMap { again[$0] } ?? .zero).count)
    var (rate, one) = (Double.infinity, Double.infinity)
    for (kind, saving) in held.savings {
      let time = Double((again[kind] ?? .zero).count)
      (rate, one) = (min(rate, time / saving), min(one, time))
    }
    (self.rate, self.again) = held.saved > 0 ? (rate, one) : (0, 0)
  }

  /// What a stage of `count` layers that holds `passes` takes more at least for computing again what it must to
  /// fit; nil where it does not.
  func more(_ stage: Int, layers count: Int, _ passes: HeldPasses) -> Picoseconds? {
    guard count > 0 else { return held.withoutLayers(stage) <= room ? .zero : nil }
    let missing = held.held(stage, count, passes, saved: 0) - room
    guard missing > 0 else { return .zero }
    let lean = held.held(stage, count, passes, saved: held.saved)
    guard held.saved > 0, lean * (1 - 1e-9) <= room else { return nil }
    let layer = Double(passes.layer)
    let least = (missing / (layer * held.saved) * (1 - 1e-9)).rounded(.up)
    guard least <= Double(count) else { return nil }
    return Picoseconds(whole: max(least * again, missing / layer * rate) * (1 - 1e-9))
  }

  /// What limits how many layers a stage holds, whatever time it may take.
  private struct Limits {
    /// Layers that it can hold at most, and bytes that one takes that is not computed again, of those there are.
    let most, each, room: Double
    /// Picoseconds that a layer more takes to save what it holds, and those that the room is worth.
    let slope, worth: Double
  }

  private func limits(_ stage: Int, isInterleaved: Bool) -> Limits {
    let passes = held.inFlight(stage, isInterleaved: isInterleaved)
    let own = held.stored + passes.all * held.kept
    let free = room - held.instant(stage) + passes.less * held.kept
    let most = min(held.layers(stage, within: room, passes), Double(held.layers))
    return Limits(
      most: free < 0 ? 0 : most, each: own, room: free, slope: rate * own / passes.layer,
      worth: rate * free / passes.layer)
  }

  /// Layers that a stage of `limits` can hold if it may take `time` of a micro-batch.
  private func layers(_ limits: Limits, in time: Double) -> Double {
    let count = each > 0 ? min(time / each, limits.most) : limits.most
    guard limits.each * count > limits.room else { return count }
    guard held.saved > 0 else { return max(0, limits.room / limits.each) }
    // each n + rate (own n - room) / layer = time
    return max(0, min(count, (time + limits.worth) / max(each + limits.slope, 1e-9)))
  }

  private func holds(_ time: Double, _ stages: [Limits]) -> Bool {
    var sum = 1e-6
    for limits in stages {
      sum += (layers(limits, in: time) * (1 + 1e-9)).rounded(.down)
      if sum >= Double(held.layers) { return true }
    }
    return false
  }

  /// The least time of the busiest stage, no less than `least`; nil where the layers do not fit.
  func busiest(atLeast least: Int, isInterleaved: Bool) -> Int? {
    var low = Double(least)
    guard (0..<held.stages).allSatisfy({ held.withoutLayers($0) <= room }) else { return nil }
    let stages = (0..<held.stages).map { limits($0, isInterleaved: isInterleaved) }
    if holds(low, stages) { return least }
    let passes = held.stored + Double(held.microBatches) * held.kept
    let all = Double(held.layers) * (each + rate * passes)
    var high = max(all, low) * 2 + 1
    guard holds(high, stages) else { return nil }
    for _ in 0..<20 {
      let middle = (low + high) / 2
      if holds(middle, stages) { high = middle } else { low = middle }
    }
    return Picoseconds(whole: low).count
  }
}
