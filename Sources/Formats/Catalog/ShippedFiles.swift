import Glibc

/// JSON files that are shipped under names, in the folders that may hold them.
///
/// An argument with a slash or the ending `.json` is a path. Any other is first the name of a
/// shipped file, so that a command means the same in every folder; write `./gpt2` for the folder
/// `gpt2`.
struct ShippedFiles: Sendable {
  /// What is shipped, for messages: `model`.
  let kind: String
  /// The first that has a name wins; they need not exist.
  let folders: [String]

  /// The names, sorted, each once.
  var names: [String] { Set(folders.flatMap { Self.entries(of: $0) }).sorted() }

  /// The path that `argument` stands for.
  ///
  /// - Throws: ``FormatError/unknown(name:kind:shipped:)`` where it is neither a path nor a name.
  func path(of argument: String) throws(FormatError) -> String {
    if argument.contains("/") || argument.hasSuffix(".json") { return argument }
    for folder in folders where Self.entries(of: folder).contains(argument) {
      return "\(folder)/\(argument).json"
    }
    if !argument.isEmpty, access(argument, F_OK) == 0 { return argument }
    throw .unknown(name: argument, kind: kind, shipped: names)
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
