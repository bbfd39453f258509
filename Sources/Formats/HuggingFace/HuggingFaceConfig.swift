package import PlanIR

/// Reads models out of Hugging Face's `config.json`, with the meaning and the defaults that the
/// configuration classes of `transformers` give its fields.
///
/// Fields that change no shape and no value of a training step are ignored, known or not; those
/// that would change one and are not supported are refused.
package enum HuggingFaceConfig {
  /// The values of `model_type` that are supported.
  package static var modelTypes: [String] { HuggingFaceFamily.all.map(\.modelType) }

  /// The model that `config` describes, called `name`.
  ///
  /// - Throws: ``FormatError`` at the field that is missing, wrong or not supported.
  package static func model(of config: JSONNode, name: String) throws(FormatError) -> Model {
    let type = try config.field("model_type")
    let family = HuggingFaceFamily.all.first { type.value == .string($0.modelType) }
    guard let family else {
      let known = modelTypes.map { $0.quoted() }.joined(separator: ", ")
      throw type.malformed(
        expected: "one of the supported architectures \(known)",
        remedy: "use one of these, or describe the model as in docs/schemas/model.schema.json")
    }
    try checkArchitecture(of: config, family)
    let model = try family.read(config, name)
    guard ModelLimits.allow(model) else {
      throw config.malformed(
        expected: "at most 2^44 parameters, no weight of more than 2^40 elements",
        found: "a larger model", remedy: "check the sizes")
    }
    do throws(ModelError) {
      let workload = WorkloadOverrides().resolved(for: model)
      return model.withInitialValues(from: try GraphBuilder.chain(of: model, workload: workload))
    } catch {
      throw config.malformed(
        expected: error.expected, found: error.found, remedy: "at \(error.place)")
    }
  }

  /// Refuses a model with another head than the language model's.
  private static func checkArchitecture(
    of config: JSONNode, _ family: HuggingFaceFamily
  ) throws(FormatError) {
    guard let node = try config.optional("architectures") else { return }
    let names = try node.array()
    if names.isEmpty || names.contains(where: { $0.value == .string(family.architecture) }) {
      return
    }
    throw names[0].malformed(
      expected: family.architecture.quoted(),
      remedy: "use the configuration of the model with a language-model head")
  }
}
