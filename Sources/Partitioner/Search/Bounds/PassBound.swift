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

  /// Whether `other` takes no less, in any of them.
  func isLeast(_ other: PassBound) -> Bool {
    forward <= other.forward && inputGradient <= other.inputGradient
      && weightGradient <= other.weightGradient
  }

  /// The passes of what sends `sent` of them, all of it waited for, with what replicas `exchange`.
  func exchanging(_ exchange: ReplicaBound, sent: PassBound) -> PassBound {
    let own = exchange.passes
    guard exchange.isBeside else { return self + own }
    let forward = BodyTime(
      kernels: forward - sent.forward, exchange: own.forward, rest: sent.forward)
    let backward = BackwardTime(
      inputGradient: BodyTime(
        kernels: inputGradient - sent.inputGradient, exchange: own.inputGradient,
        rest: sent.inputGradient),
      weightGradient: BodyTime(
        kernels: weightGradient - sent.weightGradient, exchange: own.weightGradient,
        rest: sent.weightGradient))
    return PassBound(
      forward: forward.all, inputGradient: backward.inputGradient.all,
      weightGradient: backward.weightGradient(isSplit: false))
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
  private(set) var sent: (total: PassBound, least: PassBound?) = (PassBound(), nil)
  /// What computing a layer again takes at least.
  var again: ByRecomputation<Picoseconds> = [:]

  /// Adds `count` layers that each take `times`.
  mutating func add(_ times: LayerTimes, layers count: Int) {
    total = total + times.passes * count
    sent.total = sent.total + times.sent * count
    sent.least = sent.least.map { $0.least(times.sent) } ?? times.sent
    least = least.map { $0.least(times.passes) } ?? times.passes
    again.merge(times.again) { min($0, $1) }
  }

  /// The same with what replicas `exchange` of each of as many layers, told of no block apart.
  func exchanging(_ exchange: ReplicaBound, layers: Int) -> LayerBound {
    var result = self
    var all = exchange
    all.passes = exchange.passes * layers
    result.total = total.exchanging(all, sent: sent.total)
    result.least = least.map { $0.exchanging(exchange, sent: sent.least ?? PassBound()) }
    return result
  }

  /// Whether `other` takes no less, in any of it.
  func isLeast(_ other: LayerBound) -> Bool {
    func isLeast(_ left: PassBound?, _ right: PassBound?) -> Bool {
      (left ?? PassBound()).isLeast(right ?? PassBound())
    }
    return total.isLeast(other.total) && sent.total.isLeast(other.sent.total)
      && isLeast(sent.least, other.sent.least) && isLeast(least, other.least)
      && again.allSatisfy { $0.value <= other.again[$0.key] ?? $0.value }
  }
}
