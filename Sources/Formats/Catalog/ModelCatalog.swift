import Glibc
package import PlanIR

/// Finds models by the argument that names them: a file, a folder that holds a Hugging Face
/// `config.json`, or the name of one that is shipped.
package struct ModelCatalog: Sendable {
  private let shipped: ShippedFiles

  /// A catalog of the models `NAME.json` in `folders`, which need not exist; the first that has a
  /// name wins.
  package init(folders: [String]) { shipped = ShippedFiles(kind: "model", folders: folders) }

  /// The names of all shipped models, sorted.
  package var names: [String] { shipped.names }

  /// The model that `argument` names.
  ///
  /// - Throws: ``FormatError`` where there is none (66), or it is wrong.
  package func model(_ argument: String) throws(FormatError) -> Model {
    let path = try shipped.path(of: argument)
    return try Self.model(inFile: Self.isFolder(path) ? path + "/config.json" : path)
  }

  private static func model(inFile file: String) throws(FormatError) -> Model {
    let document = try JSONDocument(contentsOf: file)
    if try document.optional("model_type") != nil {
      return try HuggingFaceConfig.model(of: document.root, name: name(of: file))
    }
    if try document.optional("schema") != nil { return try NativeModel.model(of: document.root) }
    throw document.root.malformed(
      expected: "\"model_type\" of a Hugging Face configuration, or the schema "
        + NativeModel.schema.quoted(),
      found: "neither", remedy: "give a file that holds a model")
  }

  /// What a model read from `file` is called: the file's name, or the folder's of a `config.json`,
  /// without what a plan could not say.
  package static func name(of file: String) -> String {
    var parts = file.split(separator: "/").map(String.init)
    let last = parts.popLast() ?? ""
    let stem = last.hasSuffix(".json") ? String(last.dropLast(5)) : last
    let name = stem == "config" ? parts.last ?? stem : stem
    let plain = name.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F }.prefix(50)
    return plain.contains { $0 != "." } ? String(String.UnicodeScalarView(plain)) : "model"
  }

  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }
}
