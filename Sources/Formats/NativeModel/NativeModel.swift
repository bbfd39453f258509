package import PlanIR

/// Models in this project's own format, `tpplan.model/1`: every block, parameter and operation
/// written out. `docs/schemas/model.schema.json` is its schema.
package enum NativeModel {
  /// The name under `schema`.
  package static let schema = "tpplan.model/1"

  /// The model at `node`, the root of a file or a part of one.
  ///
  /// A parameter's `initial` and `checkpoint` may be missing: what reads it gives its initial
  /// value, and its tensor is called `block.{layer}.parameter`, without the layer in embedding and
  /// head.
  ///
  /// - Throws: ``FormatError`` at the first thing that is missing, unknown, misspelt or makes no
  ///   chain of blocks.
  package static func model(of node: JSONNode) throws(FormatError) -> Model {
    var reader = NativeModelReader(node)
    return try reader.model()
  }

  /// The whole of `model`, to be written; ``model(of:)`` gives the same model back.
  package static func value(of model: Model) -> JSONValue {
    var members: [JSONMember] = [
      JSONMember(key: "schema", value: .string(schema)),
      JSONMember(key: "name", value: .string(model.name)),
      JSONMember(key: "family", value: .string(model.family)),
      JSONMember(
        key: "dimensions",
        value: .object(
          model.sizes.named.map { JSONMember(key: $0.0.rawValue, value: .integer($0.1)) })),
      JSONMember(key: "maximum_sequence", value: .integer(model.maximumSequence)),
      JSONMember(key: "segments", value: .array(model.segments.map(\.value))),
    ]
    if let workload = model.workload {
      members.append(JSONMember(key: "workload", value: workload.value))
    }
    return .object(members)
  }
}
