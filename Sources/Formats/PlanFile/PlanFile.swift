package import PlanIR

/// A plan as a file: model, cluster, workload and choices whole, and what was predicted of them.
///
/// A reader lowers the choices again; ``check(_:)`` then holds the prediction against the file.
package struct PlanFile: Sendable {
  package let model: Model
  package let cluster: Cluster
  package let workload: Workload
  package let choices: PlanChoices
  private let predicted: JSONNode

  /// The name under `schema`.
  package static let schema = "tpplan.plan/1"

  /// The file's content for `plan`: equal plans give equal bytes.
  package static func text(of plan: Plan) -> String {
    JSONValue.fields([
      ("schema", .string(schema)), ("model", NativeModel.value(of: plan.model)),
      ("cluster", ClusterFile.value(of: plan.cluster)), ("workload", JSONValue(plan.workload)),
      ("choices", JSONValue(plan.choices)),
      ("predicted", JSONValue(plan.predicted, devices: plan.choices.mesh.deviceCount)),
    ]).canonicalText
  }

  /// Reads a plan file.
  ///
  /// - Throws: ``FormatError`` that names the place of the first thing that cannot be.
  package init(_ document: JSONDocument) throws(FormatError) {
    try document.expectSchema(Self.schema)
    try document.root.refuseFields(besides: [
      "schema", "model", "cluster", "workload", "choices", "predicted",
    ])
    model = try NativeModel.model(of: document.field("model"))
    cluster = try ClusterFile.cluster(of: document.field("cluster"))
    workload = try document.field("workload").workload()
    choices = try document.field("choices").choices()
    predicted = try document.field("predicted")
    try checkSums(document)
  }

  private func checkSums(_ document: JSONDocument) throws(FormatError) {
    let batch = try document.field("workload").field("global_batch")
    let (sequences, isHuge) = choices.microBatch.multipliedReportingOverflow(
      by: choices.microBatches)
    let (product, isHuger) = sequences.multipliedReportingOverflow(by: choices.degree("data"))
    guard !isHuge, !isHuger, product == workload.globalBatch else {
      throw batch.malformed(
        expected: "data x micro_batch x micro_batches = \(product)",
        found: "\(workload.globalBatch)", remedy: "search again")
    }
    let stages = try document.field("choices").field("stages")
    guard choices.stages.reduce(0, { $0 + $1.layers }) == model.layers else {
      throw stages.malformed(
        expected: "the model's \(model.layers) layers over all stages",
        found: "\(choices.stages.reduce(0) { $0 + $1.layers })", remedy: "search again")
    }
  }

  /// Whether the bytes and memory computed anew are those in the file; times may differ where
  /// timings do.
  ///
  /// - Throws: ``FormatError`` that names the first key that differs.
  package func check(_ computed: Prediction) throws(FormatError) {
    let devices = choices.mesh.deviceCount
    let expected = JSONNode(
      JSONValue(computed, devices: devices), file: predicted.file, path: predicted.path)
    for key in [
      "weights", "gradients", "optimizer", "activations", "workspace", "framework", "total",
    ] {
      try compare(
        predicted.field("memory").field(key), expected.field("memory").field(key).value)
    }
    let entries = try predicted.field("communication").array()
    let computedEntries = try expected.field("communication").array()
    guard entries.count == computedEntries.count else {
      throw try predicted.field("communication").malformed(
        expected: "\(computedEntries.count) entries, as the choices give",
        found: "\(entries.count)", remedy: "search again")
    }
    for (entry, computedEntry) in zip(entries, computedEntries) {
      for key in ["axis", "collective", "total_bytes"] {
        try compare(entry.field(key), computedEntry.field(key).value)
      }
    }
  }

  private func compare(_ node: JSONNode, _ expected: JSONValue) throws(FormatError) {
    guard node.value != expected else { return }
    throw node.malformed(
      expected: "\(expected.summary), as the choices give", found: node.value.summary,
      remedy: "search again: the plan was edited or made by another version")
  }
}
