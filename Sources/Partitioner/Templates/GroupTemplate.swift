import PlanIR

/// A group of blocks lowered once for all sizes of mesh, batch and vocabulary under which its tables are
/// alike.
final class GroupTemplate {
  let blocks: [BlockTemplate]
  let terms: [SizeTerm]
  /// The axes over which it communicates, by the places of their parts.
  let groups: [[[Int]]]
  /// The ways in which the batch is split, each once.
  let batchSplits: [[[Int]]]
  /// What must divide, in the order in which lowering came upon it.
  private let splits: [DivisibilityLog.Split]
  /// Whether a tied table's gradients are added before they are scattered.
  let addsTableGradients: Bool
  /// Whether saving what was gathered and gathering it again differ, for inputs and for weights.
  let keepsGatheredInputs, keepsGatheredWeights: Bool

  /// Takes apart what `lower` lowers, in a context that leaves sizes open.
  init(
    _ context: LoweringContext, _ parts: AxisParts,
    lower: (LoweringContext) throws(ConstraintViolation) -> Lowered
  ) throws(ConstraintViolation) {
    let log = DivisibilityLog()
    let lowered = try lower(context.openingSizes(to: log))
    var builder = TemplateBuilder(context, parts)
    blocks = lowered.blocks.map { BlockTemplate($0.bodies, $0.parameters, &builder) }
    var batchSplits: [[[Int]]] = []
    var known: [[AxisReference]] = [[]]
    for block in lowered.blocks {
      for body in block.bodies.all {
        for index in body.buffers.indices {
          let axes = body.buffers[index].type.axes(of: .batch)
          if known.contains(axes) { continue }
          known.append(axes)
          batchSplits.append(axes.map { parts.places(of: [$0]) })
        }
      }
    }
    (splits, self.batchSplits) = (log.splits(parts), batchSplits)
    (terms, groups) = (builder.terms.terms, builder.groups)
    addsTableGradients = lowered.addsTableGradients
    keepsGatheredInputs = lowered.keepsGatheredInputs
    keepsGatheredWeights = lowered.keepsGatheredWeights
  }

  /// What a template is made of.
  struct Lowered {
    var blocks: [(bodies: BlockBodies, parameters: [StoredParameter])]
    var addsTableGradients = false
    var keepsGatheredInputs = false
    var keepsGatheredWeights = false
  }

  /// Refuses a mesh whose parts do not divide what they split.
  func checkDivisibility(
    _ parts: AxisParts, _ sizes: DimensionSizes, _ mesh: Mesh
  ) throws(ConstraintViolation) {
    let counts = parts.sizes
    for split in splits where split.size(in: sizes) % split.set.groupSize(counts) != 0 {
      throw .indivisible(
        split.dimension, size: split.size(in: sizes), by: parts.axes(split.group), in: mesh)
    }
  }
}

/// A block's bodies as templates.
final class BlockTemplate {
  let forward, inputGradient, weightGradient: BodyTemplate?
  let reduceGradients, optimize: BodyTemplate?
  let settle: BodyTemplate?
  let lean: ByRecomputation<(forward: BodyTemplate, recompute: BodyTemplate?)>
  /// What one repetition's parameters take: sizes and bytes of each element, and what they are.
  let stored: [(term: Int, width: Int, bufferClass: BufferClass)]

  init(
    _ bodies: BlockBodies, _ parameters: [StoredParameter], _ builder: inout TemplateBuilder
  ) {
    func template(_ body: Body?, _ builder: inout TemplateBuilder) -> BodyTemplate? {
      body.map { BodyTemplate($0, &builder) }
    }
    forward = template(bodies.forward, &builder)
    inputGradient = template(bodies.inputGradient, &builder)
    weightGradient = template(bodies.weightGradient, &builder)
    reduceGradients = template(bodies.reduceGradients, &builder)
    optimize = template(bodies.optimize, &builder)
    settle = template(bodies.settle, &builder)
    var lean: ByRecomputation<(forward: BodyTemplate, recompute: BodyTemplate?)> = [:]
    for kind in [Recomputation.selective, .full] {
      guard let own = bodies.lean[kind] else { continue }
      lean[kind] = (BodyTemplate(own.forward, &builder), template(own.recompute, &builder))
    }
    self.lean = lean
    stored = parameters.flatMap { parameter in
      parameter.parts.map { part in
        (
          builder.count(parameter.type(of: part)),
          builder.precision.bytes(of: part.width), part.bufferClass
        )
      }
    }
  }
}

extension BlockTemplate {
  /// What one repetition's parameters take by what they are, where `values` are the group's sizes.
  func storedUse(_ values: [Int]) -> MemoryUse {
    stored.reduce(into: MemoryUse()) { use, part in
      use.add(Bytes(values[part.term] * part.width), part.bufferClass)
    }
  }
}
