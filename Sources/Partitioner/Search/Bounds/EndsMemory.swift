import PlanIR

/// What embedding and head hold at least.
struct EndsMemory {
  /// Parameters of what comes before all layers, and after.
  var first = MemoryUse()
  var last = MemoryUse()
  /// What comes after holds of a micro-batch when its first gradient is at its fullest instant.
  var head = 0

  /// The lesser of each.
  func least(_ other: EndsMemory) -> EndsMemory {
    var result = EndsMemory()
    (result.first, result.last) = (first.least(other.first), last.least(other.last))
    result.head = min(head, other.head)
    return result
  }

  /// Bytes on the stages that have them, parameters as they are stored.
  var bytes: EndsBytes {
    EndsBytes(first: first.program.count, last: last.program.count, head: head)
  }

  /// Bytes at least where parameters are sharded as `choices` say, of which nothing is sharded over data.
  func bytes(sharding choices: PlanChoices) -> EndsBytes {
    EndsBytes(
      first: first.bytes(sharding: choices), last: last.bytes(sharding: choices), head: head)
  }
}

/// Bytes that the first stage and the last hold beside layers, and those of the head's gradient.
struct EndsBytes {
  var first = 0
  var last = 0
  var head = 0

  /// The same where the head may keep less.
  var withoutHead: EndsBytes { EndsBytes(first: first, last: last) }
}

extension MemoryUse {
  /// The lesser of each kind of parameters' bytes.
  func least(_ other: MemoryUse) -> MemoryUse {
    var result = self
    result.weights = min(weights, other.weights)
    result.gradients = min(gradients, other.gradients)
    result.optimizer = min(optimizer, other.optimizer)
    return result
  }
}
