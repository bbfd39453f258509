import PlanIR

/// What a body takes of a micro-batch.
///
/// What replicas exchange of shards of parameters goes on beside kernels where the framework lets it: a layer's
/// weights are gathered while the one before it computes, its gradients scattered while the next one does (Zhao et
/// al., PyTorch FSDP, VLDB 2023, section 3.3). Of many alike each then takes the longer of both. All other
/// communication is waited for.
struct BodyTime: Hashable {
  var kernels = Picoseconds.zero
  /// What replicas exchange of shards; nothing where they wait for it.
  var exchange = Picoseconds.zero
  /// All other communication.
  var rest = Picoseconds.zero

  /// All of it.
  var all: Picoseconds { rest + max(kernels, exchange) }

  /// What goes on beside kernels.
  var hidden: Picoseconds { min(kernels, exchange) }

  /// Kernels beside which nothing goes on.
  var free: Picoseconds { kernels - hidden }

  /// Adds what a collective takes.
  mutating func add(_ time: Picoseconds, ofShards: Bool) {
    if ofShards { exchange += time } else { rest += time }
  }
}

/// What a block's backward pass takes of a micro-batch.
///
/// Gradients are scattered beside the kernels that compute them, and beside those of the input's gradient that are
/// free; where both are passes of their own, beside the former alone.
struct BackwardTime: Hashable {
  let inputGradient: BodyTime
  private let weights: BodyTime
  /// What of gradients is scattered beside kernels of the input's gradient.
  private let beside: Picoseconds

  init(inputGradient: BodyTime, weightGradient: BodyTime) {
    (self.inputGradient, weights) = (inputGradient, weightGradient)
    beside = min(inputGradient.free, weightGradient.exchange - weightGradient.hidden)
  }

  /// What gradients of weights take more; as a pass of their own no less.
  func weightGradient(isSplit: Bool) -> Picoseconds {
    isSplit ? weights.all : weights.all - beside
  }

  /// What goes on beside kernels.
  func hidden(isSplit: Bool) -> Picoseconds {
    let own = inputGradient.hidden + weights.hidden
    return isSplit ? own : own + beside
  }

  /// Kernels beside which nothing goes on; where there are two passes, of the weights' gradients alone.
  func free(isSplit: Bool) -> Picoseconds {
    isSplit ? weights.free : inputGradient.free - beside + weights.free
  }
}
