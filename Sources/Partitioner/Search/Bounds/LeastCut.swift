import PlanIR

/// What a step takes at least however its layers are cut into stages.
///
/// Derived from ``CutBound``, of which it looks at the first stage, the last and the one before it, which has the
/// most layers of those inside. If that has k, the first and the last share what k on each inside leave. What the
/// one inside takes grows with k, what the ends take falls; so it does within the ends, of what they share. The least
/// of the greatest is where they cross, found by halving. A test holds it to the bounds of all cuts.
package struct LeastCut {
  let stages, layers: Int
  private let microBatches: Double
  private let least: Passes
  private let once, firstOnce, lastOnce: Once
  private let first, last, arrival, departure: Passes
  /// All stages together.
  private let whole: Passes

  /// Of `layers` that take `least` each at least and `total` together, of a micro-batch, and each `once` a step.
  init(
    stages: Int, microBatches: Int, layers: Int, least: PassBound, total: PassBound,
    once: OnceBound, _ parts: StageParts
  ) {
    (self.stages, self.layers, self.microBatches) = (stages, layers, Double(microBatches))
    (self.least, self.once) = (Passes(least), Once(once))
    (firstOnce, lastOnce) = (Once(parts.firstOnce), Once(parts.lastOnce))
    (first, last) = (Passes(parts.first), Passes(parts.last))
    (arrival, departure) = (Passes(parts.arrival), Passes(parts.departure))
    whole =
      Passes(total) + first + last + (arrival + departure) * Double(stages - 1)
  }

  /// Of `layers` that take `each` alike, nothing once a step.
  package init(
    stages: Int, microBatches: Int, layers: Int, each: PassBound, _ parts: StageParts
  ) {
    self.init(
      stages: stages, microBatches: microBatches, layers: layers, least: each,
      total: each * layers, once: OnceBound(), parts)
  }

  /// The bound in picoseconds, where stages are several parts of the chain or one.
  package func step(isInterleaved: Bool) -> Int {
    let bound: Double
    if stages == 1 {
      bound = updated(whole, once * Double(layers) + firstOnce + lastOnce)
    } else if isInterleaved {
      bound = least(Interleaved(of: self))
    } else {
      bound = min(
        least(InOnePart(of: self, isSplit: false)), least(InOnePart(of: self, isSplit: true)))
    }
    return Int(max(0, min(bound * (1 - 1e-12) - 1, 9e18)))
  }

  /// The least of the greatest that any stage takes under `schedule`.
  private func least<Own: Schedule>(_ schedule: Own) -> Double {
    let crossing = Crossing(self, schedule)
    let inside = stages - 2
    guard inside > 0 else { return crossing.ends(layers) }
    func left(_ most: Int) -> Double { crossing.ends(max(0, layers - most * inside)) }
    let most = (1..<max(1, layers)).first(
      near: crossing.inside(layers, stages: inside),
      toMeet: { schedule.inside(Double($0)) >= left($0) })
    // Those inside take more from `most` on, before it the ends do; unless they always do.
    let own = schedule.inside(Double(most))
    let bound = most < layers ? own : max(own, left(most))
    return most > 1 ? min(bound, left(most - 1)) : bound
  }

  /// Where what stages take under a schedule crosses: about where it would if a layer more took all of them as much more
  /// as its passes, from where each step is looked at.
  private struct Crossing<Own: Schedule> {
    private let schedule: Own
    /// What a layer more takes, and what stages without layers do.
    private let slope, first, last, inside: Double

    init(_ cut: LeastCut, _ schedule: Own) {
      self.schedule = schedule
      slope = max(1, cut.least.all * cut.microBatches + cut.once.time)
      (first, last) = (schedule.first(0), schedule.last(0))
      inside = schedule.inside(0)
    }

    /// Layers of each stage of `stages` inside, of so many `layers`.
    func inside(_ layers: Int, stages: Int) -> Int {
      let beside = (first + last) / 2 - inside
      return whole((beside / slope + Double(layers) / 2) / (1 + Double(stages) / 2))
    }

    /// What the first stage and the last take, which have `count` layers between them.
    func ends(_ count: Int) -> Double {
      func first(_ own: Int) -> Double { schedule.first(Double(own)) }
      func last(_ own: Int) -> Double { schedule.last(Double(count - own)) }
      let guess = whole(Double(count) / 2 + (self.last - self.first) / slope / 2)
      let own = (0..<count).first(near: guess, toMeet: { first($0) >= last($0) })
      // The first takes more from `own` on, before it the last does; unless it always does.
      let bound = own < count ? first(own) : max(first(own), last(own))
      return own > 0 ? min(bound, last(own - 1)) : bound
    }

    private func whole(_ number: Double) -> Int { Int(min(max(number.rounded(.up), 0), 1e9)) }
  }

  /// All micro-batches of a stage, and what it does once a step: gradients are reduced no earlier than beside
  /// the last backward pass.
  private func updated(_ passes: Passes, _ once: Once) -> Double {
    passes.all * microBatches + once.time + max(0, once.reductions - passes.backward)
  }
}

/// What a stage bounds of a step by its number of layers: never less for more of them.
private protocol Schedule {
  func first(_ layers: Double) -> Double
  func inside(_ layers: Double) -> Double
  func last(_ layers: Double) -> Double
}

extension LeastCut {
  /// Each stage one part of the chain; gradients of weights with the others, or apart where that `isSplit`.
  private struct InOnePart: Schedule {
    let cut: LeastCut
    let isSplit: Bool

    init(of cut: LeastCut, isSplit: Bool) { (self.cut, self.isSplit) = (cut, isSplit) }

    func first(_ layers: Double) -> Double {
      let passes = cut.least * layers + cut.first + cut.departure
      let once = cut.once * layers + cut.firstOnce
      return max(cut.updated(passes, once), gradients(passes, stage: 0) + once.time)
    }

    func inside(_ layers: Double) -> Double {
      let passes = cut.least * layers + cut.arrival + cut.departure
      return max(
        cut.updated(passes, cut.once * layers),
        gradients(passes, stage: cut.stages - 2) + cut.firstOnce.time)
    }

    func last(_ layers: Double) -> Double {
      let passes = cut.least * layers + cut.last + cut.arrival
      let before = cut.whole.forward - passes.forward
      return max(
        before + cut.updated(passes, cut.once * layers + cut.lastOnce),
        gradients(passes, stage: cut.stages - 1) + cut.firstOnce.time)
    }

    /// The first micro-batch through all stages; what a stage has left to do when its gradient arrives; that
    /// gradient through all others.
    private func gradients(_ passes: Passes, stage: Int) -> Double {
      let back = isSplit ? passes.inputGradient : passes.backward
      let all = isSplit ? cut.whole.inputGradient : cut.whole.backward
      let ahead = min(Double(cut.stages - stage), cut.microBatches)
      var left = back * cut.microBatches + passes.forward * (cut.microBatches - ahead)
      if isSplit {
        left += passes.weightGradient * max(0, cut.microBatches - 1 - Double(stage))
      }
      return cut.whole.forward + left + all - back
    }
  }

  /// Each stage two parts of the chain at least, each of them inside with a layer at least.
  private struct Interleaved: Schedule {
    let cut: LeastCut

    init(of cut: LeastCut) { self.cut = cut }

    func first(_ layers: Double) -> Double {
      let passes = cut.least * layers + cut.first + cut.departure * 2 + cut.arrival
      return cut.updated(passes, cut.once * layers + cut.firstOnce)
    }

    func inside(_ layers: Double) -> Double {
      let passes = cut.least * layers + (cut.arrival + cut.departure) * 2
      return waiting(passes, cut.once * layers, stage: cut.stages - 2)
    }

    func last(_ layers: Double) -> Double {
      let passes = cut.least * layers + cut.last + cut.arrival * 2 + cut.departure
      return waiting(passes, cut.once * layers + cut.lastOnce, stage: cut.stages - 1)
    }

    /// The first micro-batch comes through a part of each stage before, and the last one's gradient goes back
    /// so; the first stage's may be without a layer.
    private func waiting(_ passes: Passes, _ once: Once, stage: Int) -> Double {
      let before =
        cut.departure + (cut.least + cut.arrival + cut.departure) * Double(stage - 1)
      let busy = passes.all * cut.microBatches
      return max(
        before.forward + cut.updated(passes, once), before.all + busy + cut.firstOnce.time)
    }
  }
}

/// What is done once a step, in picoseconds.
private struct Once {
  var time, reductions: Double

  init(_ time: Double, _ reductions: Double) { (self.time, self.reductions) = (time, reductions) }

  init(_ once: OnceBound) {
    self.init(Double(once.time.count), Double(once.reductions.count))
  }

  static func + (left: Once, right: Once) -> Once {
    Once(left.time + right.time, left.reductions + right.reductions)
  }

  static func * (left: Once, right: Double) -> Once {
    Once(left.time * right, left.reductions * right)
  }
}
