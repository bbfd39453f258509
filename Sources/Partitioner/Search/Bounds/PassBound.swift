package import PlanIR

/// What the passes of one micro-batch take, through a layer or several.
package struct PassBound: Hashable {
  package var forward, inputGradient, weightGradient: Picoseconds

  package init(
    forward: Picoseconds = .zero, inputGradient: Picoseconds = .zero,
    weightGradient: Picoseconds = .zero
  ) {
    self.forward = forward
    self.inputGradient = inputGradient
    self.weightGradient = weightGradient
  }

  /// All three.
  var all: Picoseconds { forward + inputGradient + weightGradient }

  static func + (left: PassBound, right: PassBound) -> PassBound {
    PassBound(
      forward: left.forward + right.forward,
      inputGradient: left.inputGradient + right.inputGradient,
      weightGradient: left.weightGradient + right.weightGradient)
  }

  static func * (left: PassBound, right: Int) -> PassBound {
    PassBound(
      forward: left.forward * right, inputGradient: left.inputGradient * right,
      weightGradient: left.weightGradient * right)
  }

  /// The lesser of each.
  func least(_ other: PassBound) -> PassBound {
    PassBound(
      forward: min(forward, other.forward), inputGradient: min(inputGradient, other.inputGradient),
      weightGradient: min(weightGradient, other.weightGradient))
  }
}

/// What a layer, or a block of one, takes once a step.
struct OnceBound: Hashable {
  /// What nothing goes on beside.
  var time = Picoseconds.zero
  /// Gradients that are reduced beside the last backward pass as far as that reaches; nothing where they are not.
  var reductions = Picoseconds.zero

  /// Adds what a collective takes.
  mutating func add(_ time: Picoseconds, _ pattern: CollectiveUse.Pattern, _ cost: ClusterCost) {
    if cost.overlapsGradients && pattern.reducesGradients {
      reductions += time
    } else {
      self.time += time
    }
  }

  static func + (left: OnceBound, right: OnceBound) -> OnceBound {
    OnceBound(time: left.time + right.time, reductions: left.reductions + right.reductions)
  }

  static func * (left: OnceBound, right: Int) -> OnceBound {
    OnceBound(time: left.time * right, reductions: left.reductions * right)
  }

  /// The lesser of each.
  func least(_ other: OnceBound) -> OnceBound {
    OnceBound(time: min(time, other.time), reductions: min(reductions, other.reductions))
  }
}

/// What a layer, or a block of one, takes under a placement.
struct LayerTimes {
  var passes = PassBound()
  /// What of these is communication, but for shards that replicas exchange: nothing of it is beside kernels.
  var sent = PassBound()
  /// What gradients of weights take more where nothing of them is sharded over data.
  var unsharded = Picoseconds.zero
  /// What computing it again takes.
  var again: ByRecomputation<Picoseconds> = [:]

  static func + (left: LayerTimes, right: LayerTimes) -> LayerTimes {
    LayerTimes(
      passes: left.passes + right.passes, sent: left.sent + right.sent,
      unsharded: left.unsharded + right.unsharded,
      again: left.again.merging(right.again, +))
  }
}

/// What a chain's layers take: all of them, and the one that takes least.
struct LayerBound {
  var total = PassBound()
  var least: PassBound?
  /// What of that is sent: of all layers, and of the one that sends least.
  var sent: (total: PassBound, least: PassBound?) = (PassBound(), nil)
  /// What gradients of weights take more where nothing of them is sharded over data: all layers, and the one
  /// that takes least.
  private var unsharded: (total: Picoseconds, least: Picoseconds?) = (.zero, nil)
  /// What computing a layer again takes at least.
  var again: ByRecomputation<Picoseconds> = [:]

  /// The same where nothing of weights and gradients is sharded over data.
  var withWholeGradients: LayerBound {
    var result = self
    result.total.weightGradient += unsharded.total
    result.least?.weightGradient += unsharded.least ?? .zero
    result.unsharded = (.zero, nil)
    return result
  }

  /// Adds `count` layers that each take `times`.
  mutating func add(_ times: LayerTimes, layers count: Int) {
    total = total + times.passes * count
    sent.total = sent.total + times.sent * count
    sent.least = sent.least.map { $0.least(times.sent) } ?? times.sent
    unsharded.total += times.unsharded * count
    unsharded.least = min(unsharded.least ?? times.unsharded, times.unsharded)
    least = least.map { $0.least(times.passes) } ?? times.passes
    again.merge(times.again) { min($0, $1) }
  }

  /// Whether `other` takes no less, in any of it.
  func isLeast(_ other: LayerBound) -> Bool {
    func isLeast(_ left: PassBound, _ right: PassBound) -> Bool {
      left.forward <= right.forward && left.inputGradient <= right.inputGradient
        && left.weightGradient <= right.weightGradient
    }
    return isLeast(total, other.total) && isLeast(sent.total, other.sent.total)
      && isLeast(sent.least ?? PassBound(), other.sent.least ?? PassBound())
      && isLeast(least ?? PassBound(), other.least ?? PassBound())
      && unsharded.total <= other.unsharded.total
      && unsharded.least ?? .zero <= other.unsharded.least ?? .zero
      && again.allSatisfy { $0.value <= other.again[$0.key] ?? $0.value }
  }
}
