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

  /// `templates` has what is known.
  init(_ training: TrainingGraph, _ templates: TemplateTable? = nil) {
    self.training = training
    self.templates = templates ?? TemplateTable(training)
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

  /// `choices` with each form of the token table, and with its gradients added before they are
  /// scattered or not, where that makes a difference.
  mutating func tables(_ choices: PlanChoices) throws(ConstraintViolation) -> [PlanChoices] {
    var result: [PlanChoices] = []
    for var choices in try training.tableForms(choices) {
      result.append(choices)
      guard choices.degree("pipeline") == 1,
        try lowered(training.groups.ends, choices).addsTableGradients
      else { continue }
      choices.tableGradients = .apart
      result.append(choices)
    }
    return result
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

extension TrainingGraph {
  /// `choices` with each form in which its layouts store the token table.
  func tableForms(_ choices: PlanChoices) throws(ConstraintViolation) -> [PlanChoices] {
    let layout = try LayoutCatalog.layout(choices.blocks[.embedding] ?? choices.layout)
    let head = try LayoutCatalog.layout(choices.blocks[.head] ?? choices.layout)
    // Where nothing splits the table all forms are one.
    if choices.holdsCopies { return [choices.with(.gathered)] }
    var forms = model.has(.embedding) ? layout.tableForms(isTied: isTied) : [.gathered]
    if isTied { forms += head.tableForms(isTied: isTied).filter { !forms.contains($0) } }
    return forms.map { choices.with($0) }
  }
}

extension PlanChoices {
  /// The axes of its tensor mesh that hold several replicas of the model.
  package var replicaAxes: [String] {
    LayoutCatalog.replicaAxes(of: layout).filter { degree($0) > 1 }
  }

  /// Whether its tensor mesh holds replicas alone.
  package var holdsCopies: Bool {
    let own = replicaAxes
    return !own.isEmpty && own.reduce(1) { $0 * degree($1) } == tensorDegree
  }

  fileprivate func with(_ form: TableForm) -> PlanChoices {
    var choices = self
    choices.tableForm = form
    return choices
  }
}
