import PlanIR

/// Groups on each mesh, once for all candidates that share them.
struct BlockTable {
  let training: TrainingGraph
  private var templates: TemplateTable
  private var known: [Key: Result<LoweredGroup, ConstraintViolation>] = [:]

  private struct Key: Hashable {
    let group: BlockGroup
    let choices: PlanChoices
  }

  init(_ training: TrainingGraph) {
    self.training = training
    templates = TemplateTable(training)
  }

  /// `group` under `choices`, of which those that do not concern it are set aside.
  mutating func lowered(
    _ group: BlockGroup, _ choices: PlanChoices
  ) throws(ConstraintViolation) -> LoweredGroup {
    let key = Key(group: group, choices: relevant(choices, to: group))
    if let found = known[key] { return try found.get() }
    let made: Result<LoweredGroup, ConstraintViolation>
    do throws(ConstraintViolation) {
      made = .success(try templates.lowered(group, key.choices))
    } catch {
      made = .failure(error)
    }
    known[key] = made
    return try made.get()
  }

  /// Forgets meshes that no further candidate has; what was lowered stays.
  mutating func forget() { known.removeAll(keepingCapacity: true) }

  private func relevant(_ choices: PlanChoices, to group: BlockGroup) -> PlanChoices {
    var relevant = choices
    (relevant.microBatch, relevant.microBatches, relevant.placement) = (0, 0, [])
    (relevant.schedule, relevant.interleave, relevant.stages) = (.none, 1, [])
    relevant.recompute = .none
    let classes = group.places.map { training.block($0).graph.blockClass }
    if !classes.contains(where: { $0 == .embedding || $0 == .head }) {
      (relevant.tableForm, relevant.tableGradients) = (.gathered, .added)
    }
    if !classes.contains(.attention) { relevant.keyValue = .copied }
    guard let first = classes.first, !choices.blockMeshes.isEmpty else { return relevant }
    // In a mixture the layouts of other blocks do not matter.
    for blockClass in BlockClass.allCases where !classes.contains(blockClass) {
      relevant.blocks[blockClass] = choices.blocks[first]
      relevant.blockMeshes[blockClass] = choices.blockMeshes[first]
    }
    relevant.layout = .mixed
    return relevant
  }
}
