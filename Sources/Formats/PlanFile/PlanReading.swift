package import PlanIR

extension JSONNode {
  /// The workload of a plan file: every field is there.
  func workload() throws(FormatError) -> Workload {
    let names = [
      "global_batch", "sequence", "precision", "optimizer", "attention", "dropout",
      "pad_vocabulary",
    ]
    try refuseFields(besides: names)
    return Workload(
      globalBatch: try field("global_batch").positiveInteger(upTo: ModelLimits.globalBatch),
      sequence: try field("sequence").positiveInteger(upTo: ModelLimits.dimension),
      precision: try field("precision").choice(of: Precision.self),
      optimizer: try field("optimizer").choice(of: Optimizer.self),
      attention: try field("attention").choice(of: AttentionForm.self),
      dropout: try field("dropout").number(in: 0...ModelLimits.dropout),
      padVocabulary: try field("pad_vocabulary").positiveInteger(upTo: ModelLimits.dimension))
  }

  /// The choices of a plan file.
  ///
  /// - Throws: ``FormatError`` that names the place of the first thing that cannot be.
  package func choices() throws(FormatError) -> PlanChoices {
    try refuseFields(besides: Self.choiceNames)
    let layout = try field("layout").choice(of: LayoutName.self)
    let mesh = try field("mesh").mesh()
    let gathers = try field("gathers").object(of: ["inputs", "weights"])
    let table = try field("table").object(of: ["form", "gradients"])
    var choices = PlanChoices(
      layout: layout, blocks: try field("blocks").blocks(), mesh: mesh,
      placement: try field("placement").placement(over: mesh),
      sequenceParallel: try field("sequence_parallel").bool(),
      gathersInputs: try gathers.field("inputs").choice(of: GatherChoice.self),
      keyValue: try field("key_value").choice(of: KeyValueForm.self),
      microBatch: try field("micro_batch").positiveInteger(upTo: ModelLimits.globalBatch),
      microBatches: try field("micro_batches").positiveInteger(upTo: ModelLimits.globalBatch),
      layers: 0)
    choices.gathersWeights = try gathers.field("weights").choice(of: GatherChoice.self)
    if let attention = try optional("context_attention") {
      choices.contextAttention = try attention.choice(of: ContextAttention.self)
    }
    choices.matmul = try field("matmul").choice(of: MatmulSchedule.self)
    choices.tableForm = try table.field("form").choice(of: TableForm.self)
    choices.tableGradients = try table.field("gradients").choice(of: TableGradients.self)
    choices.weightsOver = try field("weights_over").strings()
    choices.schedule = try field("schedule").choice(of: PipelineSchedule.self)
    choices.interleave = try field("interleave").positiveInteger(upTo: 1 << 20)
    choices.zero = try field("zero").integer(in: 0...3)
    choices.recompute = try field("recompute").choice(of: Recomputation.self)
    choices.stages = try field("stages").stages(choices.recompute)
    choices.blockMeshes = try blockMeshes(choices)
    try checkLayout(choices)
    try field("degrees").check(choices)
    try checkSharding(choices)
    try checkRecomputation(choices)
    return choices
  }

  /// Weights are sharded over axes of the mesh, each once.
  private func checkSharding(_ choices: PlanChoices) throws(FormatError) {
    var known: Set<String> = []
    for node in try field("weights_over").array() {
      let name = try node.string()
      guard choices.degree(name) > 1, known.insert(name).inserted else {
        throw node.malformed(
          expected: "an axis of the mesh, once", found: name.quoted(), remedy: "search again")
      }
    }
  }

  /// The plan's recomputation is mixed only where that of its layers differs.
  private func checkRecomputation(_ choices: PlanChoices) throws(FormatError) {
    let uniform = [Recomputation.none, .selective, .full].first { kind in
      choices.stages.allSatisfy(kind.allows)
    }
    guard choices.recompute == .mixed, let uniform else { return }
    throw try field("recompute").malformed(
      expected: "\(uniform.rawValue.quoted()), as the stages have it", found: "\"mixed\"",
      remedy: "search again")
  }

  /// In a mixture the degrees of each block's mesh, whose product is the plan's tensor degree.
  private func blockMeshes(_ choices: PlanChoices) throws(FormatError) -> [BlockClass: [Int]] {
    guard choices.layout == .mixed else {
      guard let extra = try field("mesh").optional("blocks") else { return [:] }
      throw extra.malformed(
        expected: "no degrees of blocks: the plan's layout is no mixture",
        found: extra.value.summary, remedy: "search again")
    }
    let node = try field("mesh").field("blocks")
    try node.refuseFields(besides: BlockClass.allCases.map(\.rawValue))
    var result: [BlockClass: [Int]] = [:]
    for blockClass in BlockClass.allCases {
      var degrees: [Int] = []
      for degree in try node.field(blockClass.rawValue).array() {
        degrees.append(try degree.positiveInteger(upTo: PlanLimits.devices))
      }
      result[blockClass] = degrees
    }
    return result
  }

  private static let choiceNames = [
    "layout", "blocks", "mesh", "placement", "degrees", "sequence_parallel", "context_attention",
    "gathers", "matmul", "table", "key_value", "weights_over", "micro_batch", "micro_batches",
    "schedule", "interleave",
    "zero", "recompute", "stages",
  ]

  /// This object, which has no other fields than `names`.
  private func object(of names: [String]) throws(FormatError) -> JSONNode {
    try refuseFields(besides: names)
    return self
  }

  private func blocks() throws(FormatError) -> [BlockClass: LayoutName] {
    try refuseFields(besides: BlockClass.allCases.map(\.rawValue))
    var result: [BlockClass: LayoutName] = [:]
    for blockClass in BlockClass.allCases {
      result[blockClass] = try field(blockClass.rawValue).choice(of: LayoutName.self)
    }
    return result
  }

  /// The plan's layout is that of its blocks, or mixed where their layouts or meshes differ.
  private func checkLayout(_ choices: PlanChoices) throws(FormatError) {
    let layouts = Set(choices.blocks.values)
    let isUniform = layouts.count == 1 && Set(choices.blockMeshes.values).count < 2
    let expected = isUniform ? layouts.first ?? choices.layout : .mixed
    guard choices.layout != expected else { return }
    throw try field("layout").malformed(
      expected: "\(expected.rawValue.quoted()), as the blocks have it",
      found: choices.layout.rawValue.quoted(), remedy: "search again")
  }

  private func mesh() throws(FormatError) -> Mesh {
    var axes: [MeshAxis] = []
    var devices = 1
    for entry in try object(of: ["axes", "blocks"]).field("axes").array() {
      let node = try entry.object(of: ["name", "size"])
      let name = try node.field("name").string()
      guard Self.axisNames.contains(name), !axes.contains(where: { $0.name == name }) else {
        throw node.malformed(
          expected: "an axis once, of \(Self.axisNames.joined(separator: ", "))",
          found: name.quoted(), remedy: "search again")
      }
      let size = try node.field("size").integer(in: 2...PlanLimits.devices)
      axes.append(MeshAxis(name, size))
      devices *= size
      guard devices <= PlanLimits.devices else {
        throw node.malformed(
          expected: "at most \(PlanLimits.devices) devices", found: "more", remedy: "search again")
      }
    }
    return Mesh(axes)
  }

  private static let axisNames = [
    "data", "pipeline", "context", "tensor", "row", "col", "depth", "i", "j", "k", "x", "y",
  ]

  /// One entry for each axis of `mesh`, in its order.
  private func placement(over mesh: Mesh) throws(FormatError) -> [AxisPlacement] {
    let nodes = try array()
    guard nodes.count == mesh.axes.count else {
      throw malformed(
        expected: "\(mesh.axes.count) entries, one for each axis of the mesh",
        found: "\(nodes.count)", remedy: "search again")
    }
    var result: [AxisPlacement] = []
    for (node, axis) in zip(nodes, mesh.axes) { result.append(try node.placement(of: axis)) }
    return result
  }

  private func placement(of axis: MeshAxis) throws(FormatError) -> AxisPlacement {
    try refuseFields(besides: ["axis", "inside_node", "across_nodes"])
    let placement = AxisPlacement(
      axis: try field("axis").string(),
      insideNode: try field("inside_node").positiveInteger(upTo: PlanLimits.devices),
      acrossNodes: try field("across_nodes").positiveInteger(upTo: PlanLimits.devices))
    guard placement.axis == axis.name,
      placement.insideNode * placement.acrossNodes == axis.size
    else {
      throw malformed(
        expected: "inside_node x across_nodes of axis \(axis.name) = \(axis.size)",
        found: "\(placement.insideNode) x \(placement.acrossNodes) of \(placement.axis.quoted())",
        remedy: "search again")
    }
    return placement
  }

  private func stages(_ recompute: Recomputation) throws(FormatError) -> [StageChoice] {
    var result: [StageChoice] = []
    for node in try array() {
      let stage = try node.stage()
      result.append(stage)
      guard recompute.allows(stage) else {
        throw try node.field("recompute").malformed(
          expected: "counts that sum to \(stage.layers) layers, as recompute "
            + "\(recompute.rawValue.quoted()) has them",
          found: "none \(stage.recomputeNone), selective \(stage.recomputeSelective), "
            + "full \(stage.recomputeFull)", remedy: "search again")
      }
    }
    return result
  }

  private func stage() throws(FormatError) -> StageChoice {
    try refuseFields(besides: ["layers", "recompute"])
    let recompute = try field("recompute").object(of: ["none", "selective", "full"])
    return StageChoice(
      layers: try field("layers").nonNegativeInteger(upTo: PlanLimits.stageLayers),
      recomputeNone: try recompute.field("none").nonNegativeInteger(upTo: PlanLimits.stageLayers),
      recomputeSelective: try recompute.field("selective").nonNegativeInteger(
        upTo: PlanLimits.stageLayers),
      recomputeFull: try recompute.field("full").nonNegativeInteger(upTo: PlanLimits.stageLayers))
  }

  /// Degrees are the mesh's, said again; they must agree with it.
  private func check(_ choices: PlanChoices) throws(FormatError) {
    try refuseFields(besides: ["data", "pipeline", "tensor", "context"])
    let expected = [
      ("data", choices.degree("data")), ("pipeline", choices.degree("pipeline")),
      ("tensor", choices.tensorDegree), ("context", choices.degree("context")),
    ]
    for (name, degree) in expected {
      let node = try field(name)
      guard try node.positiveInteger() == degree else {
        throw node.malformed(
          expected: "\(degree), as the mesh has it", found: node.value.summary,
          remedy: "search again")
      }
    }
  }
}

extension Recomputation {
  /// Whether a stage of a plan with this choice may recompute so.
  fileprivate func allows(_ stage: StageChoice) -> Bool {
    let counts = [stage.recomputeNone, stage.recomputeSelective, stage.recomputeFull]
    guard counts.reduce(0, +) == stage.layers else { return false }
    return switch self {
    case .none: stage.recomputeNone == stage.layers
    case .selective: stage.recomputeSelective == stage.layers
    case .full: stage.recomputeFull == stage.layers
    case .mixed: true
    }
  }
}
