package import PlanIR

/// How much of what reduces gradients once a step goes on beside the last backward pass.
///
/// A layer's gradients are complete once its last backward pass is over, and are reduced in the order of that:
/// the layers before it, which come later, are computed meanwhile (Li et al., PyTorch Distributed, VLDB 2020,
/// section 3.2.3; Megatron-LM's `--overlap-grad-reduce`). Nothing goes on beside other communication, which may need
/// the same links, so only the time of kernels counts beside which no shards are exchanged either. Of several chunks of
/// a stage the first is the last to be computed: gradients of the others are complete when its pass begins.
package struct GradientOverlap {
  /// What kernels take of the last backward pass, as far as it was added.
  private var computed = Picoseconds.zero
  /// When, on a clock that goes on with these kernels alone, all that was added is reduced.
  private var reduced = Picoseconds.zero
  private var all = Picoseconds.zero

  /// Nothing yet.
  package init() {}

  /// Adds gradients that are complete before the pass begins.
  package mutating func add(complete reductions: Picoseconds) {
    all += reductions
    reduced += reductions
  }

  /// Adds `layers` alike, each of whose kernels take `kernels` backward and whose gradients take `reductions`:
  /// those computed first are added first.
  package mutating func add(
    kernels: Picoseconds, reductions: Picoseconds, layers: Int
  ) {
    guard layers > 0 else { return }
    all += reductions * layers
    // One after another, each begins when it is complete and the one before it is reduced: linear in which
    // of them is the last to wait for its kernels, so that is the first or the last.
    let first = computed + kernels + reductions * layers
    let last = computed + kernels * layers + reductions
    computed += kernels * layers
    reduced =
      reductions > .zero ? max(reduced + reductions * layers, first, last) : reduced
  }

  /// What comes after the pass.
  package var exposed: Picoseconds { max(.zero, reduced - computed) }

  /// What goes on beside it.
  package var hidden: Picoseconds { all - exposed }
}

/// What kernels of a block's backward pass take, and gradients that may be reduced beside it.
struct BackwardWork {
  var kernels = Picoseconds.zero
  var reductions = Picoseconds.zero

  static func + (left: BackwardWork, right: BackwardWork) -> BackwardWork {
    BackwardWork(
      kernels: left.kernels + right.kernels, reductions: left.reductions + right.reductions)
  }
}

extension GradientOverlap {
  /// The gradients of a chain of one stage, nothing of which is computed again.
  init(_ chain: ChainParts<BackwardWork>) {
    self.init()
    for unit in chain.units.reversed() {
      add(unit.items.reduce(BackwardWork()) { $0 + $1.item }, layers: unit.layers.count)
    }
  }

  /// The gradients of a stage's `chunks`; where backward passes are split, beside those of weights alone.
  init(_ chunks: [ChainParts<TimedBlock>.Part], isSplit: Bool) {
    self.init()
    for chunk in chunks.dropFirst() {
      for unit in chunk.units {
        add(complete: unit.backward(isSplit: isSplit).reductions * unit.layers.count)
      }
    }
    for unit in chunks.first?.units.reversed() ?? [] {
      add(unit.backward(isSplit: isSplit), layers: unit.layers.count)
    }
  }

  private mutating func add(_ layer: BackwardWork, layers: Int) {
    add(kernels: layer.kernels, reductions: layer.reductions, layers: layers)
  }
}

extension ChainParts<TimedBlock>.Unit {
  /// One of its layers.
  fileprivate func backward(isSplit: Bool) -> BackwardWork {
    items.enumerated().reduce(BackwardWork()) { sum, entry in
      let isLast = entry.offset == items.count - 1
      return sum
        + entry.element.item.backward(recompute, isLast: isLast, isSplit: isSplit)
    }
  }
}
