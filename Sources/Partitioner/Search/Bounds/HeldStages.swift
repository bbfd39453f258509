package import PlanIR

/// What each stage holds at least: parameters, what layers keep of micro-batches in flight, and what is beside as their
/// gradients are computed.
///
/// A layer is held whole again as its gradients are computed: of all passes in flight one saves nothing. Where
/// gradients of weights come later, those of the same micro-batch wait for them.
package struct HeldStages {
  let stages, microBatches: Int
  /// Layers to hold.
  let layers: Int
  /// Of a layer: bytes of parameters, those kept of a micro-batch, and what of these computing it again may save.
  let stored, kept, saved: Double
  /// Bytes that computing a layer again saves of a micro-batch, by how much of it; of what saves something.
  private(set) var savings: ByRecomputation<Double> = [:]
  /// How much of every layer is computed again, where that is pinned.
  let pinned: Recomputation?
  /// Bytes of parameters beside layers on the first stage and the last, and those of the head's gradient.
  private let beside: (first: Double, last: Double, head: Double)
  /// Bytes that a layer holds of a micro-batch before its gradients are computed, beside as they are, and between
  /// those of its inputs and those of its weights.
  private let whole, transient, owed: Double
  /// Bytes beside what is kept as the gradients of a layer are computed: where none is computed again, and where
  /// all are.
  private let gradient: (whole: Double, lean: Double)

  /// Of layers that hold `memory`, `storedBytes` of it parameters; where `recompute` is pinned, all alike.
  init(
    stages: Int, microBatches: Int, layers: Int, beside: EndsBytes, memory: LayerMemory,
    storedBytes: Int, recompute: Recomputation?
  ) {
    (self.stages, self.microBatches, self.layers) = (stages, microBatches, layers)
    self.beside = (Double(beside.first), Double(beside.last), Double(beside.head))
    stored = Double(storedBytes)
    owed = Double(memory.owed)
    transient = Double(memory.transient)
    pinned = recompute.flatMap { $0 == .mixed ? nil : $0 }
    whole = Double(memory.kept[.none] ?? 0)
    if let pinned {
      (kept, saved) = (Double(memory.kept[pinned] ?? 0), 0)
      let gradient = transient + max(0, whole - kept)
      self.gradient = (gradient, gradient)
      return
    }
    kept = whole
    var most = 0.0
    for (kind, bytes) in memory.kept where kind != .none && Double(bytes) < whole {
      savings[kind] = whole - Double(bytes)
      most = max(most, whole - Double(bytes))
    }
    saved = most
    gradient = (transient, transient + most)
  }

  /// What layers and ends hold, in bytes.
  package struct Holdings: Sendable {
    /// Of one layer, kept by what of it is computed again: see ``LayerMemory``.
    package var parameters: Int
    package var kept: [Recomputation: Int] = [:]
    package var transient = 0
    package var owed = 0
    /// Of the ends: see ``EndsBytes``.
    package var first = 0
    package var last = 0
    package var head = 0

    package init(parameters: Int) { self.parameters = parameters }
  }

  /// The stages of `order`, of `layers` that hold `bytes`.
  package init(_ order: PipelineOrder, layers: Int, _ bytes: Holdings) {
    var memory = LayerMemory()
    memory.kept = ByRecomputation(bytes.kept)
    (memory.transient, memory.owed) = (bytes.transient, bytes.owed)
    self.init(
      stages: order.stages, microBatches: order.microBatches, layers: layers,
      beside: EndsBytes(first: bytes.first, last: bytes.last, head: bytes.head), memory: memory,
      storedBytes: bytes.parameters, recompute: nil)
  }

  // MARK: - A stage

  /// Bytes of parameters beside layers on `stage`.
  private func taken(_ stage: Int) -> Double {
    (stage == 0 ? beside.first : 0) + (stage == stages - 1 ? beside.last : 0)
  }

  /// Bytes on `stage` beside what its layers keep when its first gradient is due: a layer's, or before it the head's.
  private func instant(_ stage: Int, _ gradient: Double) -> Double {
    taken(stage) + (stage == stages - 1 ? max(gradient, beside.head) : gradient)
  }

  /// The same where no layer is computed again.
  func instant(_ stage: Int) -> Double { instant(stage, gradient.whole) }

  /// What a stage without layers holds.
  func withoutLayers(_ stage: Int) -> Double {
    taken(stage) + (stage == stages - 1 ? beside.head : 0)
  }

  /// What `stage` holds of `count` layers, one at least, that hold `passes`, each of which saves `saved` of a
  /// micro-batch but for those that are held whole again.
  func held(_ stage: Int, _ count: Int, _ passes: HeldPasses, saved: Double) -> Double {
    let parameters = stored * Double(count)
    let first =
      parameters + Double(passes.all) * (kept - saved)
      + instant(stage, saved > 0 ? gradient.lean : gradient.whole)
    guard passes.areSplit else { return first }
    // The last input gradient of the micro-batch: its other layers wait for those of weights.
    let others = Double(passes.all - count) * (kept - saved)
    let waiting = owed * Double(count - 1) + whole
    return max(first, parameters + others + waiting + transient + taken(stage))
  }

  /// What a stage of `count` layers that hold `passes` holds, as much computed again as helps.
  package func bytes(_ stage: Int, layers count: Int, _ passes: HeldPasses) -> Int {
    let least =
      count == 0
      ? withoutLayers(stage)
      : min(held(stage, count, passes, saved: 0), held(stage, count, passes, saved: saved))
    return Int(least * (1 - 1e-9))
  }

  // MARK: - Whatever the order

  /// Forward passes in flight on a stage, whatever the order.
  struct InFlight {
    /// Of n layers `all` n - `less` at least, and of one `layer` at most.
    let all, less, layer: Double
  }

  /// Those of `stage`.
  ///
  /// Interleaved, P stages of V chunks take (V - 1) P + q passes ahead, q = 2 (P - stage) - 1: of n layers P n where q is P
  /// or more. Where it is less the last chunk, which has n / V rounded up, has q in flight, not P: with two chunks, where
  /// it is largest, no more than (P - q) (n + 1) / 2 passes through a layer are missing.
  func inFlight(_ stage: Int, isInterleaved: Bool) -> InFlight {
    let least = Double(min(stages - stage, microBatches))
    guard isInterleaved else { return InFlight(all: least, less: 0, layer: least) }
    let ahead = 2 * (stages - stage) - 1
    let most = Double(min(microBatches, max(stages, ahead)))
    guard microBatches >= stages else { return InFlight(all: least, less: 0, layer: most) }
    let less = microBatches == stages ? 0 : Double(max(0, stages - ahead)) / 2
    return InFlight(all: Double(stages) - less, less: less, layer: most)
  }

  /// Layers that a stage can hold in `room`, whatever they take.
  func layers(_ stage: Int, within room: Double, _ passes: InFlight) -> Double {
    func most(_ gradient: Double, _ kept: Double) -> Double {
      (room - instant(stage, gradient) + passes.less * kept) / max(stored + passes.all * kept, 1)
    }
    return max(0, most(gradient.whole, kept), most(gradient.lean, kept - saved))
  }

  /// What the fullest stage holds at least, found at once: all hold as many layers as there are, in parts of them, each
  /// as much computed again as helps.
  package var evenBytes: Int {
    let instant = min(gradient.whole, gradient.lean)
    var (rate, taken) = (0.0, 0.0)
    for stage in 0..<stages {
      let inFlight = self.inFlight(stage, isInterleaved: false).all
      let share = 1 / max(stored + inFlight * (kept - saved), 1)
      rate += share
      taken += self.taken(stage) * share
    }
    let empty = max(withoutLayers(0), withoutLayers(stages - 1))
    // No stage holds less than no layers.
    let together = (Double(layers) + taken) / rate
    let isFilled = together >= max(beside.first, beside.last)
    let bound = instant + (isFilled ? together : Double(layers) / rate)
    return Int(max(empty, bound) * (1 - 1e-9))
  }

  /// What the fullest stage holds: cut in the best way, as much computed again as helps.
  package func leastBytes(isInterleaved: Bool) -> Int {
    let inFlight = (0..<stages).map { self.inFlight($0, isInterleaved: isInterleaved) }
    let empty = (0..<stages).reduce(0) { max($0, withoutLayers($1)) }
    let full = (0..<stages).reduce(0) {
      max($0, instant($1) + Double(layers) * (stored + inFlight[$1].all * kept))
    }
    var (low, high) = (empty, max(empty, full) + 1)
    for _ in 0..<30 {
      let middle = (low + high) / 2
      let count = (0..<stages).reduce(0.0) {
        $0 + layers($1, within: middle, inFlight[$1]).rounded(.down)
      }
      if count >= Double(layers) { high = middle } else { low = middle }
    }
    return Int(low * (1 - 1e-9))
  }
}
