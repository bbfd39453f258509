package import PlanIR

extension JSONValue {
  /// An object of the fields that are given; nil ones are left out.
  static func fields(_ fields: [(String, JSONValue?)]) -> JSONValue {
    .object(fields.compactMap { key, value in value.map { JSONMember(key: key, value: $0) } })
  }

  /// The choices of a plan, with the keys of an answer's PLAN from `layout` to `stages`.
  package init(_ choices: PlanChoices) {
    self = .object(Self.choiceMembers(choices))
  }

  /// A whole PLAN of an answer: rank, choices, prediction.
  package init(rank: Int, _ choices: PlanChoices, _ predicted: Prediction, devices: Int) {
    self = .object(
      [JSONMember(key: "rank", value: .integer(rank))] + Self.choiceMembers(choices)
        + Self.predictionMembers(predicted, devices: devices))
  }

  /// A prediction, with the keys of PLAN from `step_seconds` to `communication`.
  package init(_ predicted: Prediction, devices: Int) {
    self = .object(Self.predictionMembers(predicted, devices: devices))
  }

  private static func choiceMembers(_ choices: PlanChoices) -> [JSONMember] {
    let fields: [(String, JSONValue?)] = [
      ("layout", .string(choices.layout.rawValue)),
      (
        "blocks",
        .fields(
          BlockClass.allCases.map { blockClass in
            let layout = choices.blocks[blockClass] ?? choices.layout
            return (blockClass.rawValue, .string(layout.rawValue))
          })
      ),
      ("mesh", mesh(choices)),
      ("placement", .array(choices.placement.map { JSONValue($0) })),
      (
        "degrees",
        .fields([
          ("data", .integer(choices.degree("data"))),
          ("pipeline", .integer(choices.degree("pipeline"))),
          ("tensor", .integer(choices.tensorDegree)),
          ("context", .integer(choices.degree("context"))),
        ])
      ),
      ("sequence_parallel", .bool(choices.sequenceParallel)),
      (
        "context_attention",
        choices.contextAttention == .allToAll ? nil : .string(choices.contextAttention.rawValue)
      ),
      (
        "gathers",
        .fields([
          ("inputs", .string(choices.gathersInputs.rawValue)),
          ("weights", .string(choices.gathersWeights.rawValue)),
        ])
      ),
      ("matmul", .string(choices.matmul.rawValue)),
      (
        "table",
        .fields([
          ("form", .string(choices.tableForm.rawValue)),
          ("gradients", .string(choices.tableGradients.rawValue)),
        ])
      ),
      ("key_value", .string(choices.keyValue.rawValue)),
      ("weights_over", .array(choices.weightsOver.map { .string($0) })),
      ("micro_batch", .integer(choices.microBatch)),
      ("micro_batches", .integer(choices.microBatches)),
      ("schedule", .string(choices.schedule.rawValue)),
      ("interleave", .integer(choices.interleave)),
      ("zero", .integer(choices.zero)),
      ("recompute", .string(choices.recompute.rawValue)),
      ("stages", .array(choices.stages.map { JSONValue($0) })),
    ]
    return fields.compactMap { key, value in value.map { JSONMember(key: key, value: $0) } }
  }

  /// The mesh's axes; of a mixture, each block's own degrees too.
  private static func mesh(_ choices: PlanChoices) -> JSONValue {
    let axes = choices.mesh.axes.map {
      JSONValue.fields([("name", .string($0.name)), ("size", .integer($0.size))])
    }
    let blocks = BlockClass.allCases.compactMap { blockClass in
      choices.blockMeshes[blockClass].map { degrees in
        (blockClass.rawValue, JSONValue?.some(.array(degrees.map { .integer($0) })))
      }
    }
    return .fields([("axes", .array(axes)), ("blocks", blocks.isEmpty ? nil : .fields(blocks))])
  }

  private init(_ placement: AxisPlacement) {
    self = .fields([
      ("axis", .string(placement.axis)), ("inside_node", .integer(placement.insideNode)),
      ("across_nodes", .integer(placement.acrossNodes)),
    ])
  }

  private init(_ stage: StageChoice) {
    self = .fields([
      ("layers", .integer(stage.layers)),
      (
        "recompute",
        .fields([
          ("none", .integer(stage.recomputeNone)),
          ("selective", .integer(stage.recomputeSelective)),
          ("full", .integer(stage.recomputeFull)),
        ])
      ),
    ])
  }

  private static func predictionMembers(
    _ predicted: Prediction, devices: Int
  ) -> [JSONMember] {
    let breakdown = predicted.breakdown
    let memory = predicted.memory
    let fields: [(String, JSONValue)] = [
      ("step_seconds", .number(predicted.step.seconds)),
      ("model_flops_utilization", .number(predicted.utilization)),
      ("breakdown", JSONValue(breakdown)),
      ("memory", JSONValue(memory)),
      (
        "communication",
        .array(predicted.communication.map { JSONValue($0, devices: devices) })
      ),
    ]
    return fields.map { JSONMember(key: $0.0, value: $0.1) }
  }

  private init(_ traffic: Prediction.Traffic, devices: Int) {
    let total = traffic.total.count
    let each: JSONValue =
      total % devices == 0
      ? .integer(total / devices) : .number(Double(total) / Double(devices))
    self = .fields([
      ("axis", .string(traffic.axis)), ("collective", .string(traffic.collective)),
      ("total_bytes", .integer(total)), ("device_bytes", each),
      ("seconds", .number(traffic.time.seconds)),
      ("exposed_seconds", .number(traffic.exposed.seconds)),
    ])
  }

  /// A workload, as a native model, a plan file and answers give it.
  package init(_ workload: Workload) {
    self = .fields([
      ("global_batch", .integer(workload.globalBatch)),
      ("sequence", .integer(workload.sequence)),
      ("precision", .string(workload.precision.rawValue)),
      ("optimizer", .string(workload.optimizer.rawValue)),
      ("attention", .string(workload.attention.rawValue)),
      ("dropout", .number(workload.dropout)),
      ("pad_vocabulary", .integer(workload.padVocabulary)),
    ])
  }
}

extension JSONValue {
  /// The parts of a step's time.
  package init(_ breakdown: Prediction.Breakdown) {
    self = .fields([
      ("compute", .number(breakdown.compute.seconds)),
      ("communication_exposed", .number(breakdown.communicationExposed.seconds)),
      ("bubble", .number(breakdown.bubble.seconds)),
      ("optimizer", .number(breakdown.optimizer.seconds)),
    ])
  }

  /// Memory by class, and the sum.
  package init(_ memory: MemoryUse) {
    self = .fields([
      ("weights", .integer(memory.weights.count)),
      ("gradients", .integer(memory.gradients.count)),
      ("optimizer", .integer(memory.optimizer.count)),
      ("activations", .integer(memory.activations.count)),
      ("workspace", .integer(memory.workspace.count)),
      ("framework", .integer(memory.framework.count)),
      ("total", .integer(memory.total.count)),
    ])
  }
}
