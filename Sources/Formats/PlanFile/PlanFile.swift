package import PlanIR

/// A plan as a file: model, cluster, workload and choices whole, and what was predicted of them.
///
/// A reader lowers the choices again; ``check(_:)`` then holds the prediction against the file.
package struct PlanFile: Sendable {
  package let model: Model
  package let cluster: Cluster
  package let workload: Workload
  package let choices: PlanChoices
  let predicted: JSONNode

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
}
