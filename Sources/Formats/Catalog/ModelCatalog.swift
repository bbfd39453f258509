import Glibc
package import PlanIR

/// Finds models and clusters by the argument that names them: a file, a folder, or the name of one
/// that is shipped.
///
/// An argument with a slash or the ending `.json` is a path. Any other is first the name of a
/// shipped one, so that a command means the same in every folder; write `./gpt2` for the folder
/// `gpt2`.
package struct ModelCatalog: Sendable {
  /// Folders with shipped models, `NAME.json`, and clusters, `clusters/NAME.json`; the first that
  /// has a name wins.
  package let folders: [String]

  /// A catalog of `folders`, which need not exist.
  package init(folders: [String]) { self.folders = folders }

  /// The names of all shipped models, sorted.
  package var modelNames: [String] { Self.names(in: folders) }

  /// The names of all shipped clusters, sorted.
  package var clusterNames: [String] { Self.names(in: clusterFolders) }

  /// The model that `argument` names.
  ///
  /// - Throws: ``FormatError`` where there is none (66), or it is wrong.
  package func model(_ argument: String) throws(FormatError) -> Model {
    let path = try path(of: argument, kind: "model", in: folders)
    let isFolder = Self.isFolder(path)
    let file = isFolder ? path + "/config.json" : path
    let document = try JSONDocument(contentsOf: file)
    if try document.optional("model_type") != nil {
      return try HuggingFaceConfig.model(of: document.root, name: Self.name(of: file))
    }
    if try document.optional("schema") != nil { return try NativeModel.model(of: document.root) }
    throw document.root.malformed(
      expected: "\"model_type\" of a Hugging Face configuration, or the schema "
        + NativeModel.schema.quoted(), found: "neither", remedy: "give a file that holds a model")
  }

  /// The cluster that `argument` names.
  ///
  /// - Throws: ``FormatError`` where there is none (66), or it is wrong.
  package func cluster(_ argument: String) throws(FormatError) -> Cluster {
    let path = try path(of: argument, kind: "cluster", in: clusterFolders)
    return try ClusterFile.cluster(of: JSONDocument(contentsOf: path).root)
  }

  private var clusterFolders: [String] { folders.map { $0 + "/clusters" } }

  private func path(
    of argument: String, kind: String, in folders: [String]
  ) throws(FormatError) -> String {
    if argument.contains("/") || argument.hasSuffix(".json") { return argument }
    for folder in folders where Self.names(in: [folder]).contains(argument) {
      return "\(folder)/\(argument).json"
    }
    if !argument.isEmpty, access(argument, F_OK) == 0 { return argument }
    throw .unknown(name: argument, kind: kind, shipped: Self.names(in: folders))
  }
}

extension ModelCatalog {
  /// What a model read from `file` is called: the file's name, or the folder's of a `config.json`,
  /// without what a plan could not say.
  static func name(of file: String) -> String {
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

  /// The names of the JSON files in `folders`, sorted, each once.
  private static func names(in folders: [String]) -> [String] {
    Set(folders.flatMap { entries(of: $0) }).sorted()
  }

  private static func entries(of folder: String) -> [String] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name.hasSuffix(".json"), !name.hasPrefix(".") { names.append(String(name.dropLast(5))) }
    }
    return names
  }
}
