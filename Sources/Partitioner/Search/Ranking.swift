import PlanIR

/// Collects candidates: keeps the best, counts the rest, remembers why some cannot be.
struct Ranking {
  private let order: PlanOrder
  private let limit: Bytes?
  private let keep: Int
  private let keepsFront: Bool
  /// Whether what cannot be kept is left out.
  private let prunes: Bool
  /// The best so far, best first.
  private(set) var best: [Entry] = []
  /// What a plan must not exceed, of what is asked for, to be one of them; nil while any is.
  private var worst: Int?
  /// Those that no other beats in time and memory both, fastest first; kept where asked.
  private(set) var front: [Entry] = []
  private(set) var space = SearchAnswer.Space()
  private(set) var overMemory = 0
  /// Whether a search gave up before it had an answer.
  private(set) var gaveUp = false
  private(set) var refusals: [String: Int] = [:]
  private var distinct = DistinctList<ConstraintViolation>()

  /// A candidate with what decides its rank.
  struct Entry {
    let choices: PlanChoices
    let step: Picoseconds
    let memory: Bytes
  }

  init(_ request: SearchRequest) {
    order = PlanOrder(request.objective)
    limit = request.limit
    keep = request.keep
    keepsFront = request.keepsFront
    prunes = !request.exhaustive
  }

  /// Whether a search that only asks whether anything fits, and looks at `probe` items at most, has an answer once
  /// it has `seen` as many, or gives up.
  mutating func isAnswered(_ probe: Int?, seen: Int) -> Bool {
    guard let probe else { return false }
    gaveUp = best.isEmpty && seen > probe
    return gaveUp || !best.isEmpty
  }

  /// Why candidates cannot be, each once: what excludes most of them first.
  var violations: [ConstraintViolation] {
    func count(_ violation: ConstraintViolation) -> Int { refusals[violation.constraint] ?? 0 }
    return distinct.all.enumerated()
      .sorted { (count($1.element), $0.offset) < (count($0.element), $1.offset) }
      .map(\.element)
  }

  /// Counts `count` candidates that `violation` excludes.
  mutating func refuse(_ violation: ConstraintViolation, count: Int) {
    space.infeasible += count
    refusals[violation.constraint, default: 0] += count
    distinct.add(violation)
  }

  /// Says that what is bounded by `bound` in time is too long to be planned, if it is.
  mutating func note(tooLong bound: Int) {
    if order.objective == .time && bound > Picoseconds.longestStep.count { distinct.add(.tooLong) }
  }

  /// Counts `count` candidates that need more memory than the limit, as one before them does.
  mutating func refuseOverMemory(count: Int) {
    overMemory += count
    space.infeasible += count
  }

  /// Counts `count` candidates that cannot win.
  mutating func prune(count: Int) { space.pruned += count }

  /// The time that a plan must not exceed to be kept, by time; nil while any is.
  var worstKept: Picoseconds? {
    guard prunes, order.objective == .time, !keepsFront else { return nil }
    return worst.map { Picoseconds($0) }
  }

  /// What a candidate may be bounded by from below at most, in what is asked for, to be kept.
  var bar: Int {
    guard prunes else { return .max }
    let kept = keepsFront ? Int.max : worst ?? .max
    return order.objective == .time ? min(kept, Picoseconds.longestStep.count) : kept
  }

  /// Whether no candidate that `bound` bounds from below, in what is asked for, can be kept.
  func isBeaten(_ bound: Int) -> Bool { bound > bar }

  /// Where the front is asked for, what no plan that takes `step` or more may hold to be of it: what one holds that
  /// takes less. Nil while nothing does.
  func ceiling(atLeast step: Int) -> Bytes? {
    guard keepsFront, prunes else { return nil }
    let place = frontCount(below: step)
    return place > 0 ? front[place - 1].memory : nil
  }

  /// How many plans of the front take less than `step`.
  private func frontCount(below step: Int) -> Int {
    front.indices.first(toMeet: { front[$0].step.count >= step })
  }

  /// Whether no candidate that holds `memory` can be kept, where memory is asked for.
  func isBeaten(memory: Bytes) -> Bool {
    order.objective == .memory && isBeaten(memory.count)
  }

  /// Whether no candidate that takes `step` at least and holds `memory` can be kept.
  func isBeaten(_ step: Int, memory: Bytes) -> Bool {
    guard keepsFront else { return order.objective == .time && isBeaten(step) }
    guard prunes else { return false }
    let place = frontCount(below: step)
    if place > 0 && front[place - 1].memory <= memory { return true }
    return place < front.count && front[place].step.count == step
      && front[place].memory < memory
  }

  /// Whether `memory` is more than the limit.
  func isOver(_ memory: Bytes) -> Bool { limit.map { memory > $0 } ?? false }

  /// Takes a candidate into account; `choices` are asked for only where they matter.
  mutating func offer(
    step: Picoseconds, memory: Bytes, choices: () -> PlanChoices
  ) {
    if isOver(memory) {
      return refuseOverMemory(count: 1)
    }
    if step > .longestStep { return refuse(.tooLong, count: 1) }
    space.evaluated += 1
    let mayBeKept =
      best.count < keep
      || best.last.map { order.key(step, memory) <= order.key($0.step, $0.memory) } ?? true
    guard mayBeKept || keepsFront else { return }
    let entry = Entry(choices: choices(), step: step, memory: memory)
    if best.count < keep || best.last.map({ order.precedes(entry, $0) }) ?? true {
      Self.insert(entry, into: &best, order)
      if best.count > keep { best.removeLast() }
      if best.count == keep {
        worst = best.last.map { order.key($0.step, $0.memory).0 }
      }
    }
    if keepsFront { addToFront(entry) }
  }

  private mutating func addToFront(_ entry: Entry) {
    let order = PlanOrder(.time)
    let isBeaten = front.contains { $0.memory <= entry.memory && order.precedes($0, entry) }
    guard !isBeaten else { return }
    front.removeAll { entry.memory <= $0.memory && order.precedes(entry, $0) }
    Self.insert(entry, into: &front, order)
  }

  private static func insert(_ entry: Entry, into entries: inout [Entry], _ order: PlanOrder) {
    let place = entries.indices.first(toMeet: { order.precedes(entry, entries[$0]) })
    entries.insert(entry, at: place)
  }
}

/// The total order of plans: by what is asked, then by the other, then by layout in the order of
/// names, then by their text.
struct PlanOrder {
  let objective: Objective

  init(_ objective: Objective) { self.objective = objective }

  func precedes(_ left: Ranking.Entry, _ right: Ranking.Entry) -> Bool {
    let (first, second) = (key(left.step, left.memory), key(right.step, right.memory))
    if first != second { return first < second }
    if left.choices.layout != right.choices.layout {
      return left.choices.layout < right.choices.layout
    }
    return left.choices.canonicalText < right.choices.canonicalText
  }

  /// What is compared first, and second.
  func key(_ step: Picoseconds, _ memory: Bytes) -> (Int, Int) {
    objective == .time ? (step.count, memory.count) : (memory.count, step.count)
  }
}

extension PlanChoices {
  /// One line that names every choice in which candidates differ, compared where all else is equal.
  package var canonicalText: String {
    let axes = mesh.axes.map { "\($0.name)=\($0.size)" }.joined(separator: " ")
    let places = placement.map { "\($0.axis)=\($0.insideNode)" }.joined(separator: " ")
    let mixture = BlockClass.allCases.compactMap { blockClass in
      blockMeshes[blockClass].map { degrees in
        let shape = degrees.map(String.init).joined(separator: "x")
        return "\(blockClass.rawValue)=\((blocks[blockClass] ?? layout).rawValue):\(shape)"
      }
    }
    let parts = [
      layout.rawValue, axes, mixture.joined(separator: " "),
      contextAttention == .ring ? "context_attention=ring" : "",
      "sequence_parallel=\(sequenceParallel)", "inputs=\(gathersInputs.rawValue)",
      "weights=\(gathersWeights.rawValue)", "matmul=\(matmul.rawValue)",
      "table=\(tableForm.rawValue),\(tableGradients.rawValue)", "key_value=\(keyValue.rawValue)",
      "weights_over=\(weightsOver.joined(separator: "+"))",
      [1, 2].contains(zero) ? "zero=\(zero)" : "", "micro_batch=\(microBatch)",
      "micro_batches=\(microBatches)", stageText, "inside=\(places)",
    ]
    return parts.filter { !$0.isEmpty }.joined(separator: " ")
  }

  /// `schedule=1f1b interleave=1 stages=3,4,4,3`, and what is computed again; nothing of neither.
  private var stageText: String {
    var parts: [String] = []
    if stages.count > 1 {
      let layers = stages.map { String($0.layers) }.joined(separator: ",")
      parts.append("schedule=\(schedule.rawValue) interleave=\(interleave) stages=\(layers)")
    }
    if recompute != .none {
      let layers = stages.map { "\($0.recomputeSelective)+\($0.recomputeFull)" }
      parts.append("recompute=\(recompute.rawValue) \(layers.joined(separator: ","))")
    }
    return parts.joined(separator: " ")
  }
}
