import PlanIR

/// What embedding and head hold at least.
struct EndsMemory {
  /// Parameters of what comes before all layers, and after.
  var first = MemoryUse()
  var last = MemoryUse()
  /// What comes after holds of a micro-batch when its first gradient is at its fullest instant.
  var head = 0

  init() {}

  /// Of `ends`, embedding and head, at `units` units of batch.
  init(_ ends: LoweredGroup, _ units: Int, _ training: TrainingGraph) {
    let layers = LayerRange(training.areLayers)
    let places = training.groups.ends.places
    for (place, profile) in zip(places, ends.profiles) {
      let own = profile.memory(units, isLast: place == places.last)
      add(own, count: training.segments[place.segment].count, place.segment, layers)
    }
  }

  /// Adds what a block of a segment before or after all layers, which there is `count` times, holds.
  mutating func add(_ block: LayerMemory, count: Int, _ segment: Int, _ layers: LayerRange) {
    if layers.isAfter(segment) {
      first = first + block.stored * count
    } else if layers.isBefore(segment) {
      last = last + block.stored * count
      head += (block.kept[.none] ?? 0) * count + block.transient
    }
  }

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
    bytes(sharding: ShardedWeights(choices), data: choices.degree("data"))
  }

  /// The same over `data` replicas.
  func bytes(sharding weights: ShardedWeights, data: Int) -> EndsBytes {
    EndsBytes(
      first: first.bytes(sharding: weights, data: data),
      last: last.bytes(sharding: weights, data: data), head: head)
  }
}

/// Bytes that the first stage and the last hold beside layers, and those of the head's gradient.
struct EndsBytes {
  var first = 0
  var last = 0
  var head = 0

  /// The lesser of each.
  func least(_ other: EndsBytes) -> EndsBytes {
    EndsBytes(
      first: min(first, other.first), last: min(last, other.last), head: min(head, other.head))
  }

  /// The same where the head's gradient holds `head`.
  func with(head: Int) -> EndsBytes { EndsBytes(first: first, last: last, head: head) }
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
