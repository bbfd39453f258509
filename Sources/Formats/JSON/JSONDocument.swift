/// A JSON file, whole in memory.
package struct JSONDocument: Hashable, Sendable {
  /// The value the file holds.
  package let root: JSONNode

  /// The most bytes a JSON file may have.
  package static let sizeLimit = 256 << 20

  /// Reads the file at `path`, which may be a pipe.
  ///
  /// - Throws: ``FormatError`` where it is missing, unreadable, longer than ``sizeLimit`` or not
  ///   strict JSON.
  package init(contentsOf path: String) throws(FormatError) {
    let bytes = try FileBytes.contents(of: path, limit: Self.sizeLimit)
    try self.init(bytes: bytes, file: path)
  }

  /// Reads `text`; `file` is the name that errors give.
  ///
  /// - Throws: ``FormatError`` where it is not strict JSON.
  package init(text: String, file: String) throws(FormatError) {
    try self.init(bytes: Array(text.utf8), file: file)
  }

  /// Reads `bytes`.
  ///
  /// - Parameters:
  ///   - bytes: The text in UTF-8.
  ///   - file: The name that errors give.
  ///   - start: Where in the file `bytes` begin; errors count from the file's start.
  /// - Throws: ``FormatError`` where they are not strict JSON.
  package init(bytes: [UInt8], file: String, start: Int = 0) throws(FormatError) {
    root = JSONNode(try JSONReader.value(of: bytes, file: file, start: start), file: file)
  }

  /// The root's field called `name`, as ``JSONNode/field(_:)``.
  ///
  /// - Throws: ``FormatError`` where the root is no object or has no such field.
  package func field(_ name: String) throws(FormatError) -> JSONNode { try root.field(name) }

  /// The root's field called `name`, as ``JSONNode/optional(_:)``.
  ///
  /// - Throws: ``FormatError`` where the root is no object.
  package func optional(_ name: String) throws(FormatError) -> JSONNode? {
    try root.optional(name)
  }

  /// Refuses unless the field `schema` is `name`.
  ///
  /// - Throws: ``FormatError`` where it is missing or another.
  package func expectSchema(_ name: String) throws(FormatError) {
    let schema = try root.field("schema")
    if schema.value == .string(name) { return }
    throw schema.malformed(
      expected: "the schema \(name.quoted())", remedy: "use a file of that schema")
  }
}
