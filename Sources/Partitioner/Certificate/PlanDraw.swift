import PlanIR

/// Draws plans of a search's space at random, decision by decision: with the words of a certificate for as many
/// decisions as it names.
///
/// It shares with the search what may be decided (``CandidateSpace``), and neither templates nor bounds: what it
/// draws is to be lowered and priced whole.
struct PlanDraw {
  let request: SearchRequest
  let space: CandidateSpace
  /// What there is to decide first.
  let points: [Point]
  /// The ways to split devices that leave one stage and no context axis, which mixtures have.
  let flatSplits: [DeviceSplit]
  var random: CounterNumbers

  /// A tensor mesh and context in one form, and the ways to spread it.
  struct Point {
    let word: String
    let shape: LayoutShape
    let splits: [DeviceSplit]
  }

  /// A plan, and its decisions.
  struct Drawn {
    var choices: PlanChoices
    var path: [String]
  }

  init(_ request: SearchRequest, seed: UInt64) {
    self.request = request
    var space = CandidateSpace(request)
    let splits = space.splits()
    self.space = space
    flatSplits = splits.filter { split in
      split.stages * split.context == 1 && space.mixtureShapes(tensor: split.tensor).count > 1
    }
    points = request.pins.layout == .mixed ? [] : Self.points(space, splits)
    random = CounterNumbers(seed: seed)
  }

  private var training: TrainingGraph { request.training }

  private static func points(_ space: CandidateSpace, _ splits: [DeviceSplit]) -> [Point] {
    var order: [DeviceSplit] = []
    var alike: [DeviceSplit: [DeviceSplit]] = [:]
    for split in splits {
      let key = DeviceSplit(data: 1, stages: 1, context: split.context, tensor: split.tensor)
      if alike[key] == nil { order.append(key) }
      alike[key, default: []].append(split)
    }
    return order.flatMap { key in
      space.shapes(tensor: key.tensor).flatMap { shape in
        space.variants(shape, key).map {
          Point(word: CertificatePath.point($0), shape: shape, splits: alike[key] ?? [])
        }
      }
    }
  }

  /// The micro-batches that `split` leaves.
  func microBatches(_ split: DeviceSplit) -> [Int] { space.microBatches(data: split.data) }

  /// A plan whose first decisions are `path`; what else is decided where it says so must not be among
  /// `known`. Nil where the draw comes to nothing.
  mutating func plan(_ path: [String] = [], besides known: Set<String> = []) -> Drawn? {
    var words = Words(path: path, known: known)
    guard let point = pick(points, &words, \.word),
      let split = pick(
        point.splits, &words, { "data \($0.data) pipeline \($0.stages)" }),
      let size = pick(space.microBatches(data: split.data), &words, CertificatePath.microBatch),
      var choices = space.variants(point.shape, split).first(where: {
        CertificatePath.point($0) == point.word
      })
    else { return nil }
    if split.stages > 1 && training.isTied { choices.tableGradients = .apart }
    choices.microBatch = size
    choices.microBatches = training.workload.globalBatch / split.data / size
    let shards = space.shards(choices).map { shard in
      var own = choices
      (own.weightsOver, own.zero) = (shard.over, shard.zero)
      return own
    }
    guard let sharded = pick(shards, &words, CertificatePath.shards),
      let gathered = pick(gathers(sharded, point.shape), &words, CertificatePath.gathers)
    else { return nil }
    return place(gathered, &words)
  }

  private mutating func place(_ choices: PlanChoices, _ words: inout Words) -> Drawn? {
    var choices = choices
    let placements = Placement.all(choices.mesh, perNode: request.cluster.devicesPerNode)
    guard let placement = pick(placements, &words, CertificatePath.placement) else { return nil }
    choices.placement = placement
    guard let tabled = pick(tables(choices), &words, CertificatePath.table),
      let cut = pick(cuts(tabled), &words, CertificatePath.stages)
    else { return nil }
    let drawn = recomputing(cut)
    return Drawn(choices: drawn, path: CertificatePath.of(drawn))
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

  /// The words that are given, and how far they are used up.
  private struct Words {
    let path: [String]
    let known: Set<String>
    var used = 0

    mutating func next() -> String? {
      defer { used += 1 }
      return used < path.count ? path[used] : nil
    }
  }

  private mutating func pick<Option>(
    _ options: [Option], _ words: inout Words, _ word: (Option) -> String
  ) -> Option? {
    switch words.next() {
    case nil: options.randomElement(using: &random)
    case Certificate.others?:
      options.filter { !words.known.contains(word($0)) }.randomElement(using: &random)
    case let wanted?: options.first { word($0) == wanted }
    }
  }

  /// What may be gathered again or looped over where it makes a difference.
  private func gathers(_ choices: PlanChoices, _ shape: LayoutShape) -> [PlanChoices] {
    guard let layout = try? LayoutCatalog.layout(choices.layout),
      let kept = keepsGathered(choices)
    else { return [choices] }
    func options(_ pinned: GatherChoice?, _ matters: Bool) -> [GatherChoice] {
      pinned.map { [$0] } ?? (matters ? GatherChoice.allCases : [.saved])
    }
    return space.matmuls(layout, shape).flatMap { matmul in
      options(request.pins.gathersInputs, kept.inputs).flatMap { inputs in
        options(request.pins.gathersWeights, kept.weights).map { weights in
          var own = choices
          (own.matmul, own.gathersInputs, own.gathersWeights) = (matmul, inputs, weights)
          return own
        }
      }
    }
  }

  /// Whether any block hands on what it gathered; nil where it cannot be lowered.
  private func keepsGathered(_ choices: PlanChoices) -> (inputs: Bool, weights: Bool)? {
    guard var context = try? training.openContext(choices) else { return nil }
    var (inputs, weights) = (false, false)
    for group in training.groups.layers + [training.groups.ends] {
      guard let blocks = try? training.lowered(group, &context) else { return nil }
      inputs = inputs || blocks.contains(where: \.keepsGatheredInputs)
      weights = weights || blocks.contains(where: \.keepsGatheredWeights)
    }
    return (inputs, weights)
  }

  /// The forms of the table, its gradients added before they are scattered or not where that differs.
  private func tables(_ choices: PlanChoices) -> [PlanChoices] {
    let forms = (try? training.tableForms(choices)) ?? []
    return forms.flatMap { form -> [PlanChoices] in
      guard form.degree("pipeline") == 1, var context = try? training.openContext(form),
        (try? training.lowered(training.groups.ends, &context)) != nil,
        context.parameters.values.contains(where: { $0.addedAs != nil })
      else { return [form] }
      var apart = form
      apart.tableGradients = .apart
      return [form, apart]
    }
  }

  private func cuts(_ choices: PlanChoices) -> [PlanChoices] {
    let (layers, stages) = (training.layers, choices.degree("pipeline"))
    let cuts = CutSpace(layers: layers, stages: stages).all
    return space.orders(stages: stages, microBatches: choices.microBatches).flatMap { order in
      cuts.map { cut in
        var own = choices
        (own.schedule, own.interleave) = order
        own.stages = cut.layers(layers, stages: stages).map {
          StageChoice(layers: $0, recomputeNone: $0)
        }
        return own
      }
    }
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
