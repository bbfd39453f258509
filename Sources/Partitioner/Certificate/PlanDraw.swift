import PlanIR

/// Draws plans of a search's space, decision by decision: with the words of a certificate for as many decisions as it
/// names, at random or as hold least. What it draws is to be lowered and priced whole.
struct PlanDraw {
  let decisions: PlanDecisions
  var random: CounterNumbers

  /// A plan, and its decisions.
  struct Drawn {
    var choices: PlanChoices
    var path: [String]
  }

  init(_ request: SearchRequest, seed: UInt64) {
    decisions = PlanDecisions(request)
    random = CounterNumbers(seed: seed)
  }

  var request: SearchRequest { decisions.request }
  var space: CandidateSpace { decisions.space }
  var flatSplits: [DeviceSplit] { decisions.flatSplits }

  /// The micro-batches that `split` leaves.
  func microBatches(_ split: DeviceSplit) -> [Int] { space.microBatches(data: split.data) }

  /// A plan whose first decisions are `path`; what else is decided where it says so must not be among
  /// `known`. Nil where the draw comes to nothing.
  mutating func plan(_ path: [String] = [], besides known: Set<String> = []) -> Drawn? {
    guard let cut = walk(path, besides: known, last: { $0.randomElement(using: &$1) }) else {
      return nil
    }
    return drawn(recomputing(cut))
  }

  /// The same, of what is left open decided as devices hold little: not least, as what holds least is not known before it
  /// is priced.
  mutating func leanPlan(_ path: [String], besides known: Set<String>) -> Drawn? {
    guard
      var choices = walk(
        path, besides: known, last: { options, _ in options.min { $0.weight < $1.weight } })
    else { return nil }
    let pinned = request.pins.recompute.flatMap { $0 == .mixed ? nil : $0 }
    choices.stages = choices.stages.map { StageChoice(layers: $0.layers, pinned ?? .full) }
    return drawn(choices)
  }

  private func drawn(_ choices: PlanChoices) -> Drawn {
    Drawn(choices: choices, path: CertificatePath.of(choices))
  }

  /// Whether `choices` are among what there is to decide.
  func admits(_ choices: PlanChoices) -> Bool {
    let kind = request.pins.recompute
    guard kind == nil || kind == .mixed || kind == choices.recompute else { return false }
    if choices.layout == .mixed { return admits(mixture: choices) }
    var draw = self
    return draw.plan(CertificatePath.of(choices)) != nil
  }

  // MARK: - Decisions

  /// Decides as `path` says, then as `last` does of all there is.
  private mutating func walk(
    _ path: [String], besides known: Set<String>,
    last: ([PlanDecisions.Partial], inout CounterNumbers) -> PlanDecisions.Partial?
  ) -> PlanChoices? {
    var partial = PlanDecisions.Partial.nothing
    var words = path[...]
    while true {
      if case .cut(let tabled, let schedule, let interleave, let cut) = partial {
        return decisions.choices(tabled, schedule, interleave: interleave, cut)
      }
      let found: PlanDecisions.Partial? =
        switch words.popFirst() {
        case nil: last(decisions.next(partial), &random)
        case Certificate.others?: other(decisions.next(partial), known, last)
        case let wanted?: decisions.next(partial, named: wanted)
        }
      guard let found else { return nil }
      partial = found
    }
  }

  /// One of `options` that is not among `known`, as `last` decides of all.
  private mutating func other(
    _ options: [PlanDecisions.Partial], _ known: Set<String>,
    _ last: ([PlanDecisions.Partial], inout CounterNumbers) -> PlanDecisions.Partial?
  ) -> PlanDecisions.Partial? {
    // To name all takes long where there are many.
    if let found = last(options, &random), !known.contains(decisions.word(found)) { return found }
    return last(options.filter { !known.contains(decisions.word($0)) }, &random)
  }

  /// With layers computed again as pinned; where that is open with none, or any number on each stage.
  private mutating func recomputing(_ choices: PlanChoices) -> PlanChoices {
    var choices = choices
    switch request.pins.recompute {
    case .some(.none): break
    case .full?, .selective?:
      let kind = request.pins.recompute ?? .full
      choices.stages = choices.stages.map { StageChoice(layers: $0.layers, kind) }
    case nil, .mixed?:
      if Bool.random(using: &random) { return choices }
      for stage in choices.stages.indices {
        let layers = choices.stages[stage].layers
        let full = Int.random(in: 0...layers, using: &random)
        choices.stages[stage] = StageChoice(
          layers: layers, recomputeNone: layers - full, recomputeFull: full)
      }
    }
    return choices
  }
}

extension PlanDecisions.Partial {
  /// What was decided last, less where devices hold less by it as a rule.
  fileprivate var weight: Int {
    switch self {
    case .nothing, .point, .placed: return 0
    case .spread(_, let split): return -split.stages
    case .sized(_, _, let size): return size
    case .sharded(_, let choices): return -choices.zero * 100 - choices.weightsOver.count
    case .gathered(let choices):
      let again = [choices.gathersInputs, choices.gathersWeights].count { $0 == .again }
      return -again * 2 - (choices.matmul == .stepped ? 1 : 0)
    case .tabled(let tabled): return tabled.choices.tableForm == .gathered ? 1 : 0
    case .cut(let tabled, let schedule, let interleave, let cut):
      let isPlain = schedule == .oneForwardOneBackward
      return tabled.fullest(cut) * 1_000 + interleave * 10 + (isPlain ? 0 : 1)
    }
  }
}

/// Numbers that follow from a seed.
struct CounterNumbers: RandomNumberGenerator {
  private let generator: CounterGenerator
  private var index: UInt64 = 0

  init(seed: UInt64) { generator = CounterGenerator(seed: seed, name: "plans") }

  mutating func next() -> UInt64 {
    index += 1
    return generator.bits(at: index)
  }
}
