import PlanIR

extension PlanDraw {
  /// A mixture of any shapes on any devices; nil where none may be, or the draw comes to nothing.
  mutating func mixture() -> Drawn? {
    guard MixturePass.isOpen(request), let split = flatSplits.randomElement(using: &random) else {
      return nil
    }
    let shapes = space.mixtureShapes(tensor: split.tensor)
    guard let size = space.microBatches(data: split.data).randomElement(using: &random),
      let knobs = knobs(split, shapes), let assignment = assignment(shapes),
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

  /// What is alike in all blocks.
  private mutating func knobs(_ split: DeviceSplit, _ shapes: [LayoutShape]) -> PlanChoices? {
    let pins = request.pins
    guard let shape = shapes.randomElement(using: &random),
      let layout = try? LayoutCatalog.layout(shape.layout),
      var knobs = space.variants(shape, split).randomElement(using: &random),
      let matmul = space.matmuls(layout, shape).randomElement(using: &random)
    else { return nil }
    let shards = space.shards(knobs).filter { $0.over.allSatisfy { $0 == "data" } }
    guard let shard = shards.randomElement(using: &random) else { return nil }
    (knobs.weightsOver, knobs.zero, knobs.matmul) = (shard.over, shard.zero, matmul)
    knobs.gathersInputs = pins.gathersInputs ?? (Bool.random(using: &random) ? .saved : .again)
    knobs.gathersWeights = pins.gathersWeights ?? (Bool.random(using: &random) ? .saved : .again)
    return knobs
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
