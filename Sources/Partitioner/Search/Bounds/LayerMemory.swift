import PlanIR

/// What a layer holds at least, and what it takes to hold less: of several kinds of layers the least of each.
struct LayerMemory {
  /// Bytes of one layer's parameters, by what they are.
  var stored = MemoryUse()
  /// Bytes that one layer keeps of a micro-batch past the forward pass, by what of it is computed again.
  var kept: ByRecomputation<Int> = [:]
  /// Bytes that the gradient of its last block holds beside what was kept.
  var transient = 0
  /// Bytes of it that are left between the gradients of its inputs and those of its weights, where that is known.
  var owed = 0

  init() {}

  /// One layer of `blocks`.
  init(_ blocks: [HeldBlock<TotalBytes>]) {
    stored.add(Bytes(blocks.reduce(0) { $0 + $1.stored.bytes }), .weight)
    transient = blocks.last?.inputGradient.peak.bytes ?? 0
    owed = blocks.reduce(0) { $0 + $1.forward.change.bytes + $1.inputGradient.change.bytes }
    for kind in [Recomputation.none, .selective, .full] {
      kept[kind] = blocks.reduce(0) { $0 + $1.forms.forward(kind).change.bytes }
    }
  }

  /// The same if it kept nothing past the forward pass.
  var keepingNothing: LayerMemory {
    var result = self
    result.kept = kept.mapValues { _ in 0 }
    (result.transient, result.owed) = (0, 0)
    return result
  }

  /// The same if it kept as many `bytes` more, where it is not computed again whole; they may be free before the fullest
  /// instant of its gradients.
  func keeping(_ bytes: Int) -> LayerMemory {
    guard bytes > 0 else { return self }
    var result = self
    result.transient = max(0, transient - bytes)
    for kind in [Recomputation.none, .selective] { result.kept[kind]? += bytes }
    return result
  }

  /// The lesser of each.
  func least(_ other: LayerMemory) -> LayerMemory {
    var result = self
    result.stored = stored.least(other.stored)
    result.transient = min(transient, other.transient)
    result.owed = min(owed, other.owed)
    result.kept.merge(other.kept) { min($0, $1) }
    return result
  }

  /// Adds a block of the same layer.
  mutating func add(_ block: LayerMemory) {
    stored = stored + block.stored
    transient += block.transient
    owed += block.owed
    kept.merge(block.kept, +)
  }
}
