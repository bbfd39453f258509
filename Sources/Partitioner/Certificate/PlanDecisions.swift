import PlanIR

/// What there is to decide of plans of one layout, one decision after another in the order of a certificate's words:
/// what plans are drawn by, and certificates gone through.
///
/// It shares with the search what may be decided (``CandidateSpace``), and neither templates nor bounds.
struct PlanDecisions {
  let request: SearchRequest
  let space: CandidateSpace
  /// What there is to decide first.
  private let points: [Partial]
  /// The ways to split devices that leave one stage and no context axis, which mixtures have.
  let flatSplits: [DeviceSplit]

  /// A tensor mesh and context in one form, and the ways to spread it.
  struct Point {
    let word: String
    let shape: LayoutShape
    let splits: [DeviceSplit]
  }

  /// A plan as far as it is decided, by what was decided last.
  enum Partial {
    case nothing
    case point(Point)
    case spread(Point, DeviceSplit)
    case sized(Point, DeviceSplit, microBatch: Int)
    case sharded(Point, PlanChoices)
    case gathered(PlanChoices)
    case placed(PlanChoices)
    case tabled(Tabled)
    /// All but what is computed again.
    case cut(Tabled, PipelineSchedule, interleave: Int, StageCut)
  }

  /// All but schedule, stages, and what is computed again: what there are many ways to go on from.
  final class Tabled {
    let choices: PlanChoices
    let stages, layers: Int

    init(_ choices: PlanChoices, layers: Int) {
      (self.choices, self.layers) = (choices, layers)
      stages = choices.degree("pipeline")
    }

    /// Layers of the stage that has most.
    func fullest(_ cut: StageCut) -> Int {
      let inside = max(1, stages - 2)
      return max(cut.first, cut.last, (layers - cut.first - cut.last + inside - 1) / inside)
    }
  }

  init(_ request: SearchRequest) {
    self.request = request
    var space = CandidateSpace(request)
    let splits = space.splits()
    self.space = space
    flatSplits = splits.filter { split in
      split.stages * split.context == 1 && space.mixtureShapes(tensor: split.tensor).count > 1
    }
    points =
      request.pins.layout == .mixed ? [] : Self.points(space, splits).map { .point($0) }
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
      space.shapes(tensor: key.tensor).flatMap { shape -> [Point] in
        let splits = space.splits(alike[key] ?? [], of: shape)
        guard !splits.isEmpty else { return [] }
        return space.variants(shape, key).map {
          Point(word: CertificatePath.point($0), shape: shape, splits: splits)
        }
      }
    }
  }

  /// Every way to decide what comes next; none of what is decided, or comes to nothing.
  func next(_ partial: Partial) -> [Partial] {
    switch partial {
    case .nothing: points
    case .point(let point): point.splits.map { .spread(point, $0) }
    case .spread(let point, let split):
      space.microBatches(data: split.data).map { .sized(point, split, microBatch: $0) }
    case .sized(let point, let split, let size):
      shards(point, split, size).map { .sharded(point, $0) }
    case .sharded(let point, let choices): gathers(choices, point.shape).map { .gathered($0) }
    case .gathered(let choices): placements(choices).map { .placed($0) }
    case .placed(let choices): tables(choices).map { .tabled(Tabled($0, layers: training.layers)) }
    case .tabled(let tabled): cuts(tabled)
    case .cut: []
    }
  }

  /// The way that `words` name.
  func next(_ partial: Partial, named words: String) -> Partial? {
    if case .tabled(let tabled) = partial { return cut(tabled, named: words) }
    return next(partial).first { word($0) == words }
  }

  /// Those of `words` that name no way to decide what comes next.
  func unnamed(_ words: Set<String>, _ partial: Partial) -> Set<String> {
    if case .tabled(let tabled) = partial {
      return words.filter { cut(tabled, named: $0) == nil }
    }
    return words.subtracting(next(partial).map(word))
  }

  /// What was decided last in the words of a certificate.
  func word(_ partial: Partial) -> String {
    switch partial {
    case .nothing: ""
    case .point(let point): point.word
    case .spread(_, let split): CertificatePath.spread(split)
    case .sized(_, _, let size): CertificatePath.microBatch(size)
    case .sharded(_, let choices): CertificatePath.shards(choices)
    case .gathered(let choices): CertificatePath.gathers(choices)
    case .placed(let choices): CertificatePath.placement(choices.placement)
    case .tabled(let tabled): CertificatePath.table(tabled.choices)
    case .cut(let tabled, let schedule, let interleave, let cut):
      CertificatePath.stages(choices(tabled, schedule, interleave: interleave, cut))
    }
  }

  private func shards(_ point: Point, _ split: DeviceSplit, _ size: Int) -> [PlanChoices] {
    let own = space.variants(point.shape, split).first {
      CertificatePath.point($0) == point.word
    }
    guard var choices = own else { return [] }
    if split.stages > 1 && training.isTied { choices.tableGradients = .apart }
    choices.microBatch = size
    choices.microBatches = training.workload.globalBatch / split.data / size
    return space.shards(choices).map { shard in
      var own = choices
      (own.weightsOver, own.zero) = (shard.over, shard.zero)
      return own
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

  private func placements(_ choices: PlanChoices) -> [PlanChoices] {
    Placement.all(choices.mesh, perNode: request.cluster.devicesPerNode).map { placement in
      var own = choices
      own.placement = placement
      return own
    }
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

  // MARK: - Stages

  private func cuts(_ tabled: Tabled) -> [Partial] {
    let cuts = CutSpace(layers: tabled.layers, stages: tabled.stages).all
    return orders(tabled).flatMap { order in
      cuts.map { .cut(tabled, order.0, interleave: order.interleave, $0) }
    }
  }

  private func orders(_ tabled: Tabled) -> [(PipelineSchedule, interleave: Int)] {
    space.orders(stages: tabled.stages, microBatches: tabled.choices.microBatches)
  }

  /// The schedule and layers of stages that `words` name: the first stage and the last tell all others.
  private func cut(_ tabled: Tabled, named words: String) -> Partial? {
    let counts = words.split(separator: " ").last?.split(separator: ",").map { Int($0) } ?? []
    guard tabled.stages > 1, let first = counts.first ?? nil, let last = counts.last ?? nil else {
      return cuts(tabled).first { word($0) == words }
    }
    let cut = StageCut(first: first, last: last)
    guard CutSpace(layers: tabled.layers, stages: tabled.stages).contains(cut) else { return nil }
    return orders(tabled).lazy
      .map { .cut(tabled, $0.0, interleave: $0.interleave, cut) }
      .first { word($0) == words }
  }

  /// All of a plan but what is computed again.
  func choices(
    _ tabled: Tabled, _ schedule: PipelineSchedule, interleave: Int, _ cut: StageCut
  ) -> PlanChoices {
    var own = tabled.choices
    (own.schedule, own.interleave) = (schedule, interleave)
    own.stages = cut.layers(tabled.layers, stages: tabled.stages).map {
      StageChoice(layers: $0, recomputeNone: $0)
    }
    return own
  }
}
