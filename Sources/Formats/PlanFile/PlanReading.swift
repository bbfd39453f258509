import PlanIR

/// Bounds of what a plan file may say, far above any cluster and far below overflow.
private let largestCount = 1 << 40

extension JSONNode {
  /// The workload of a plan file: every field is there.
  func workload() throws(FormatError) -> Workload {
    let names = [
      "global_batch", "sequence", "precision", "optimizer", "attention", "dropout",
      "pad_vocabulary",
    ]
    try refuseFields(besides: names)
    return Workload(
      globalBatch: try field("global_batch").positiveInteger(upTo: largestCount),
      sequence: try field("sequence").positiveInteger(upTo: largestCount),
      precision: try field("precision").choice(of: Precision.self),
      optimizer: try field("optimizer").choice(of: Optimizer.self),
      attention: try field("attention").choice(of: AttentionForm.self),
      dropout: try field("dropout").number(in: 0...0.999),
      padVocabulary: try field("pad_vocabulary").positiveInteger(upTo: 1 << 20))
  }

  /// The choices of a plan file.
  func choices() throws(FormatError) -> PlanChoices {
    try refuseFields(besides: Self.choiceNames)
    let layout = try field("layout").choice(of: LayoutName.self)
    let mesh = try field("mesh").mesh()
    let gathers = try field("gathers")
    var choices = PlanChoices(
      layout: layout, blocks: try field("blocks").blocks(), mesh: mesh,
      placement: try field("placement").placement(),
      sequenceParallel: try field("sequence_parallel").bool(),
      gathersInputs: try gathers.field("inputs").choice(of: GatherChoice.self),
      keyValue: try field("key_value").choice(of: KeyValueForm.self),
      microBatch: try field("micro_batch").positiveInteger(upTo: largestCount),
      microBatches: try field("micro_batches").positiveInteger(upTo: largestCount), layers: 0)
    choices.gathersWeights = try gathers.field("weights").choice(of: GatherChoice.self)
    choices.matmul = try field("matmul").choice(of: MatmulSchedule.self)
    choices.tableForm = try field("table").field("form").choice(of: TableForm.self)
    choices.tableGradients = try field("table").field("gradients").choice(of: TableGradients.self)
    choices.weightsOver = try field("weights_over").strings()
    choices.schedule = try field("schedule").choice(of: PipelineSchedule.self)
    choices.interleave = try field("interleave").positiveInteger(upTo: 1 << 20)
    choices.zero = try field("zero").integer(in: 0...3)
    choices.recompute = try field("recompute").choice(of: Recomputation.self)
    choices.stages = try field("stages").stages()
    try field("degrees").check(choices)
    return choices
  }

  private static let choiceNames = [
    "layout", "blocks", "mesh", "placement", "degrees", "sequence_parallel", "gathers", "matmul",
    "table", "key_value", "weights_over", "micro_batch", "micro_batches", "schedule", "interleave",
    "zero", "recompute", "stages",
  ]

  private func blocks() throws(FormatError) -> [BlockClass: LayoutName] {
    try refuseFields(besides: BlockClass.allCases.map(\.rawValue))
    var result: [BlockClass: LayoutName] = [:]
    for blockClass in BlockClass.allCases {
      result[blockClass] = try field(blockClass.rawValue).choice(of: LayoutName.self)
    }
    return result
  }

  private func mesh() throws(FormatError) -> Mesh {
    var axes: [MeshAxis] = []
    var devices = 1
    for node in try field("axes").array() {
      let name = try node.field("name").string()
      guard Self.axisNames.contains(name), !axes.contains(where: { $0.name == name }) else {
        throw node.malformed(
          expected: "an axis once, of \(Self.axisNames.joined(separator: ", "))",
          found: name.quoted(), remedy: "search again")
      }
      let size = try node.field("size").integer(in: 2...(1 << 24))
      axes.append(MeshAxis(name, size))
      devices *= size
      guard devices <= 1 << 24 else {
        throw node.malformed(
          expected: "at most \(1 << 24) devices", found: "more", remedy: "search again")
      }
    }
    return Mesh(axes)
  }

  private static let axisNames = [
    "data", "pipeline", "context", "tensor", "row", "col", "depth", "i", "j", "k", "x", "y",
  ]

  private func placement() throws(FormatError) -> [AxisPlacement] {
    var result: [AxisPlacement] = []
    for node in try array() {
      result.append(
        AxisPlacement(
          axis: try node.field("axis").string(),
          insideNode: try node.field("inside_node").positiveInteger(upTo: 1 << 24),
          acrossNodes: try node.field("across_nodes").positiveInteger(upTo: 1 << 24)))
    }
    return result
  }

  private func stages() throws(FormatError) -> [StageChoice] {
    var result: [StageChoice] = []
    for node in try array() {
      let recompute = try node.field("recompute")
      result.append(
        StageChoice(
          layers: try node.field("layers").nonNegativeInteger(upTo: 1 << 24),
          recomputeNone: try recompute.field("none").nonNegativeInteger(upTo: 1 << 24),
          recomputeSelective: try recompute.field("selective").nonNegativeInteger(upTo: 1 << 24),
          recomputeFull: try recompute.field("full").nonNegativeInteger(upTo: 1 << 24)))
    }
    return result
  }

  /// Degrees are the mesh's, said again; they must agree with it.
  private func check(_ choices: PlanChoices) throws(FormatError) {
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
