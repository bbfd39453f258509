import PlanIR

/// A group of blocks on one mesh, for any micro-batch.
struct LoweredGroup {
  /// Each block as a function of the batch.
  let profiles: [BlockProfile]
  /// The axes lists over which it communicates.
  let axes: [[AxisReference]]
  /// The ways in which the batch is split, each of which must divide it.
  let batchSplits: [[AxisReference]]
  /// What the batch counts in: the least number that every split divides.
  let unit: Int
  /// Whether a tied table's gradients are added before they are scattered.
  let addsTableGradients: Bool
  /// Whether saving what was gathered and gathering it again differ, for inputs and for weights.
  let keepsGatheredInputs, keepsGatheredWeights: Bool

  private let template: GroupTemplate
  private let parts: AxisParts
  private let vocabulary: Int

  /// `template` filled in.
  init(_ template: GroupTemplate, _ parts: AxisParts, vocabulary: Int) {
    (self.template, self.parts, self.vocabulary) = (template, parts, vocabulary)
    let sizes = GroupSizes(template, parts, vocabulary: vocabulary)
    profiles = template.blocks.map { BlockProfile($0, sizes) }
    axes = template.groups.map(parts.axes)
    batchSplits = template.batchSplits.map(parts.axes)
    unit = sizes.unit
    addsTableGradients = template.addsTableGradients
    keepsGatheredInputs = template.keepsGatheredInputs
    keepsGatheredWeights = template.keepsGatheredWeights
  }

  /// The same group on `mesh`, which has the axes of `old` but for the sizes of the outer ones; `sizes` are
  /// the model's. Nil where it must be lowered for itself.
  func moved(
    from old: Mesh, to mesh: Mesh, _ sizes: DimensionSizes
  ) throws(ConstraintViolation) -> LoweredGroup? {
    guard let parts = parts.moved(from: old, to: mesh) else { return nil }
    try template.checkDivisibility(parts, sizes, mesh)
    return LoweredGroup(template, parts, vocabulary: vocabulary)
  }

  /// The weights that the forward pass of a block reads as they are stored, and its input gradient: the axes that split
  /// each, and its bytes.
  func readWeights(_ block: Int) -> (forward: [SplitWeight], backward: [SplitWeight]) {
    let read = profiles[block].readWeights
    func placed(_ weights: [BlockProfile.SplitWeight]) -> [SplitWeight] {
      weights.map { (parts.axes($0.split), $0.bytes) }
    }
    return (placed(read.forward), placed(read.backward))
  }

  typealias SplitWeight = (split: [AxisReference], bytes: Int)

  /// The same group with the vocabulary padded to `vocabulary`.
  func padding(_ vocabulary: Int) -> LoweredGroup {
    LoweredGroup(template, parts, vocabulary: vocabulary)
  }

  /// Blocks without linears between blocks of `classes`, lowered in `context` for themselves.
  init(
    _ blocks: [(bodies: BlockBodies, parameters: [StoredParameter])], between classes: [BlockClass],
    _ context: LoweringContext
  ) throws(ConstraintViolation) {
    let tables = classes.flatMap { blockClass in
      ValueState.allCases.map { context.storage(of: $0, in: blockClass) }
    }
    let used = tables.flatMap { table in table.dimensions.flatMap { table[$0] } }
    let parts = AxisParts(context.mesh, usedAs: used, hasStages: true)
    let template = try GroupTemplate(context, parts) { _ in .init(blocks: blocks) }
    self.init(template, parts, vocabulary: context.sizes[.vocabulary])
  }
}
