/// A JSON value together with where it stands, so that whatever is wrong with it can be told with
/// file, JSON path, what was expected and what was found.
///
///     let config = try JSONDocument(contentsOf: "config.json")
///     let hidden = try config.field("hidden_size").positiveInteger(upTo: 1 << 20)
///     let scaling = try config.optional("rope_scaling")?.field("factor").positiveNumber()
package struct JSONNode: Hashable, Sendable {
  /// The file it was read from.
  package let file: String
  /// Its place in the file: `$.layers[3].name`.
  package let path: String
  /// The value.
  package let value: JSONValue

  package init(_ value: JSONValue, file: String, path: String = "$") {
    self.value = value
    self.file = file
    self.path = path
  }

  /// An error at this node, which holds something else than `expected`.
  package func malformed(
    expected: String, found: String? = nil, remedy: String = "correct the value"
  ) -> FormatError {
    .malformed(
      file: file, place: path, expected: expected, found: found ?? value.summary, remedy: remedy)
  }

  func child(_ key: String, _ value: JSONValue) -> JSONNode {
    let isPlain = !key.isEmpty && key.utf8.allSatisfy(\.isIdentifier)
    return JSONNode(
      value, file: file, path: isPlain ? "\(path).\(key)" : "\(path)[\(key.quoted(limit: 120))]")
  }
}

extension UInt8 {
  fileprivate var isIdentifier: Bool {
    switch self {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
      true
    default: false
    }
  }
}
