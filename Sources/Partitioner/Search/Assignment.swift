import PlanIR

/// A layout and mesh for each class of blocks.
struct Assignment: Hashable {
  let embedding, attention, mlp, head: LayoutShape

  subscript(blockClass: BlockClass) -> LayoutShape {
    switch blockClass {
    case .embedding: embedding
    case .attention: attention
    case .mlp: mlp
    case .head: head
    }
  }

  var isUniform: Bool { embedding == attention && attention == mlp && mlp == head }

  /// Whether sequence parallelism, panels and gathered key/value heads change any of its blocks:
  /// where they do not the mixture is one candidate with that without them.
  func uses(_ knobs: PlanChoices, _ training: TrainingGraph) -> Bool {
    let layouts = BlockClass.allCases.filter(training.model.has)
      .compactMap { try? LayoutCatalog.layout(self[$0].layout) }
    if knobs.matmul == .stepped && !layouts.contains(where: \.hasPanels) { return false }
    if knobs.sequenceParallel && !layouts.contains(where: \.hasSequenceParallelism) { return false }
    guard knobs.keyValue == .gathered,
      let layout = try? LayoutCatalog.layout(attention.layout)
    else { return true }
    let alone = knobs.uniform(attention, data: 1)
    return LayoutProbe(layout, alone.mesh, training).keyValueHeadsAreCopied
  }

  /// Whether any of its layers' blocks keeps what it gathered, of what the choices gather again:
  /// where none does the mixture is one candidate with that which keeps it, unless pinned.
  func gathers(
    _ knobs: PlanChoices, _ request: SearchRequest, _ data: Int, _ table: inout BlockTable
  ) -> Bool {
    guard knobs.gathersInputs == .again || knobs.gathersWeights == .again else { return true }
    let (pins, training) = (request.pins, request.training)
    var saving = knobs
    (saving.gathersInputs, saving.gathersWeights) = (.saved, .saved)
    var (inputs, weights) = (false, false)
    for group in training.groups.layers {
      let blockClass = training.block(group.places[0]).graph.blockClass
      let alone = saving.uniform(self[blockClass], data: data)
      guard let lowered = try? table.lowered(group, alone) else { continue }
      inputs = inputs || lowered.keepsGatheredInputs
      weights = weights || lowered.keepsGatheredWeights
    }
    let inputsCount = inputs || knobs.gathersInputs == .saved || pins.gathersInputs != nil
    let weightsCount = weights || knobs.gathersWeights == .saved || pins.gathersWeights != nil
    return inputsCount && weightsCount
  }

  /// The mixture's choices on the mesh of the block with most axes, the first where several have as
  /// many; nil where the others' meshes are not made of its axes and their parts.
  func choices(from knobs: PlanChoices, data: Int) -> PlanChoices? {
    let classes = BlockClass.allCases
    func rank(_ blockClass: BlockClass) -> Int { self[blockClass].degrees.count { $0 > 1 } }
    let most = classes.map(rank).max() ?? 0
    guard let finest = classes.first(where: { rank($0) == most }) else { return nil }
    var choices = knobs.uniform(self[finest], data: data)
    choices.sequenceParallel = knobs.sequenceParallel
    choices.keyValue = knobs.keyValue
    choices.matmul = knobs.matmul
    choices.layout = .mixed
    for blockClass in classes {
      choices.blocks[blockClass] = self[blockClass].layout
      choices.blockMeshes[blockClass] = self[blockClass].degrees
    }
    for blockClass in classes {
      guard let layout = try? LayoutCatalog.layout(self[blockClass].layout),
        (try? choices.axes(of: layout, in: blockClass)) != nil
      else { return nil }
    }
    return choices
  }
}

extension PlanChoices {
  /// The knobs of a mixture alone, with everything kept and gathered whole.
  func keepingAll(_ microBatch: Int) -> PlanChoices {
    var choices = self
    (choices.gathersInputs, choices.gathersWeights, choices.matmul) = (.saved, .saved, .gathered)
    (choices.tableForm, choices.tableGradients) = (.gathered, .added)
    (choices.layout, choices.blocks, choices.blockMeshes) = (.mixed, [:], [:])
    (choices.mesh, choices.placement) = (Mesh([]), [])
    (choices.microBatch, choices.microBatches) = (microBatch, 0)
    return choices
  }

  /// These choices for one shape of every block.
  func uniform(_ shape: LayoutShape, data: Int) -> PlanChoices {
    guard let layout = LayoutCatalog.all.first(where: { $0.name == shape.layout }) else {
      return self
    }
    return uniform(shape, data: data, of: layout)
  }
}
