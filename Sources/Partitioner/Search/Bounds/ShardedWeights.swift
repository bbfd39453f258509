import PlanIR

/// A way to shard parameters: over which axes weights are, and what else over data.
struct ShardedWeights {
  let over: [String]
  let zero: Int
  /// Whether weights are sharded over data.
  let isWhole: Bool
  /// Devices beside those of the data axis over which weights are sharded.
  let copies: Int

  /// On the mesh of `choices`, whatever these shard themselves.
  init(over: [String], zero: Int, _ choices: PlanChoices) {
    (self.over, self.zero) = (over, zero)
    isWhole = over.contains("data")
    copies = over.reduce(1) { $0 * ($1 == "data" ? 1 : choices.degree($1)) }
  }

  /// As `choices` say.
  init(_ choices: PlanChoices) {
    self.init(over: choices.weightsOver, zero: choices.zero, choices)
  }
}

extension MemoryUse {
  /// Bytes of parameters at least where they are sharded so over `data` replicas, of which nothing is sharded over
  /// data.
  func bytes(sharding weights: ShardedWeights, data: Int) -> Int {
    let over = weights.copies * (weights.isWhole ? data : 1)
    let optimizer = weights.zero == 1 || weights.zero == 2 ? over * data : over
    let gradients = weights.zero == 2 ? over * data : over
    return self.weights.count / over + self.gradients.count / gradients
      + self.optimizer.count / optimizer
  }

  /// Bytes of weights alone, the same.
  func leastWeights(sharding choices: PlanChoices) -> Bytes {
    Bytes(weights.count / choices.weightsOver.reduce(1) { $0 * choices.degree($1) })
  }

  /// The same as `choices` say.
  func bytes(sharding choices: PlanChoices) -> Int {
    bytes(sharding: ShardedWeights(choices), data: choices.degree("data"))
  }
}
