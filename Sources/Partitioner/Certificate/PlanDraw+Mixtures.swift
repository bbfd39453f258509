import PlanIR

extension PlanDraw {
  /// A mixture of any shapes, whose decisions are `path` where that is given; nil where none may be, or the draw comes to
  /// nothing.
  mutating func mixture(_ path: [String]? = nil) -> Drawn? {
    let splits = flatSplits.filter {
      path == nil || path?.dropFirst().first == CertificatePath.flat($0)
    }
    guard MixturePass.isOpen(request), let split = splits.randomElement(using: &random) else {
      return nil
    }
    let shapes = space.mixtureShapes(tensor: split.tensor)
    guard let (knobs, size) = decided(split, shapes, path),
      let assignment = assignment(shapes),
      var choices = assignment.choices(from: knobs, data: split.data)
    else { return nil }
    choices.microBatch = size
    choices.microBatches = request.training.workload.globalBatch / split.data / size
    guard let fill = space.rates.fills.randomElement(using: &random) else { return nil }
    choices.placement = Placement.innermostFirst(choices.mesh, perNode: fill)
    guard Placement.isAsNumbered(choices.placement) else { return nil }
    let forms = (try? request.training.tableForms(choices)) ?? []
    guard let drawn = forms.randomElement(using: &random) else { return nil }
    return Drawn(choices: drawn, path: CertificatePath.mixtures(knobs, split, size))
  }

  /// What is alike in all blocks, and the micro-batch.
  private mutating func decided(
    _ split: DeviceSplit, _ shapes: [LayoutShape], _ path: [String]?
  ) -> (knobs: PlanChoices, microBatch: Int)? {
    let matmuls = matmuls(shapes)
    guard let path else {
      guard let size = microBatches(split).randomElement(using: &random),
        let shape = shapes.randomElement(using: &random),
        let knobs = knobs(split, shape, matmuls).randomElement(using: &random)
      else { return nil }
      return (knobs, size)
    }
    let all = shapes.flatMap { knobs(split, $0, matmuls) }
    for size in microBatches(split) where path.last == CertificatePath.microBatch(size) {
      let found = all.filter { CertificatePath.mixtures($0, split, size) == path }
      return found.randomElement(using: &random).map { ($0, size) }
    }
    return nil
  }

  /// Whether a mixture is among those that there are, as far as what it decides is pinned.
  func admits(mixture choices: PlanChoices) -> Bool {
    let (pins, split) = (request.pins, DeviceSplit(choices))
    func meets<Value: Equatable>(_ pinned: Value?, _ value: Value) -> Bool {
      pinned.map { $0 == value } ?? true
    }
    return MixturePass.isOpen(request) && flatSplits.contains(split)
      && microBatches(split).contains(choices.microBatch) && meets(pins.zero, choices.zero)
      && meets(pins.gathersInputs, choices.gathersInputs)
      && meets(pins.gathersWeights, choices.gathersWeights) && meets(pins.matmul, choices.matmul)
      && meets(pins.sequenceParallel, choices.sequenceParallel)
  }

  /// The decisions of all mixtures of `split`.
  func mixturePaths(_ split: DeviceSplit) -> Set<[String]> {
    var found: Set<[String]> = []
    let shapes = space.mixtureShapes(tensor: split.tensor)
    let matmuls = matmuls(shapes)
    for shape in shapes {
      for knobs in knobs(split, shape, matmuls) {
        for size in microBatches(split) {
          found.insert(CertificatePath.mixtures(knobs, split, size))
        }
      }
    }
    return found
  }

  /// Whether blocks of any of `shapes` may loop over panels: those of another then do not.
  private func matmuls(_ shapes: [LayoutShape]) -> [MatmulSchedule] {
    let own = Set(shapes.map(\.layout)).compactMap { try? LayoutCatalog.layout($0) }
    return MatmulSchedule.allCases.filter { matmul in
      shapes.contains { shape in
        own.contains { $0.name == shape.layout && space.matmuls($0, shape).contains(matmul) }
      }
    }
  }

  /// What may be alike in all blocks, of which one is of `shape`.
  private func knobs(
    _ split: DeviceSplit, _ shape: LayoutShape, _ matmuls: [MatmulSchedule]
  ) -> [PlanChoices] {
    let pins = request.pins
    func gathers(_ pinned: GatherChoice?) -> [GatherChoice] {
      pinned.map { [$0] } ?? GatherChoice.allCases
    }
    var found: [PlanChoices] = []
    for variant in space.variants(shape, split) {
      for shard in space.shards(variant) where shard.over.allSatisfy({ $0 == "data" }) {
        for matmul in matmuls {
          for inputs in gathers(pins.gathersInputs) {
            for weights in gathers(pins.gathersWeights) {
              var knobs = variant
              (knobs.weightsOver, knobs.zero, knobs.matmul) = (shard.over, shard.zero, matmul)
              (knobs.gathersInputs, knobs.gathersWeights) = (inputs, weights)
              found.append(knobs)
            }
          }
        }
      }
    }
    return found
  }

  /// A shape for each class; embedding and head have that of the attention or of the mlp blocks unless mixtures
  /// are asked for.
  private mutating func assignment(_ shapes: [LayoutShape]) -> Assignment? {
    guard let attention = shapes.randomElement(using: &random),
      let mlp = shapes.randomElement(using: &random)
    else { return nil }
    let ends = request.pins.layout == .mixed ? shapes : [attention, mlp]
    guard let embedding = ends.randomElement(using: &random),
      let head = ends.randomElement(using: &random)
    else { return nil }
    let made = Assignment(embedding: embedding, attention: attention, mlp: mlp, head: head)
    return made.isUniform ? nil : made
  }
}
