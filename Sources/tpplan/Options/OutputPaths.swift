import ArgumentParser
import Foundation

/// The files that a command writes, by the options that name them; files of a folder that is read are read.
struct OutputPaths {
  private var known: [(option: String, path: String)] = []

  /// Those of `inputs` that are files, and not the names of what is shipped, are read: none may be written, too.
  init(reading inputs: [(name: String, path: String?)]) {
    for case (let name, let path?) in inputs where FileManager.default.fileExists(atPath: path) {
      known += ([path] + Self.files(in: path)).map { (name, Self.resolved($0)) }
    }
  }

  /// What is read of a folder: a model's configuration, a checkpoint's files.
  private static func files(in folder: String) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { name in
      name == "config.json" || name.hasSuffix(".safetensors")
        || name.hasSuffix(".safetensors.index.json")
    }.map { folder + "/" + $0 }
  }

  /// Takes the file of `option`.
  ///
  /// - Throws: `ValidationError` where it has no name, or is another's.
  mutating func add(_ option: String, _ path: String?) throws {
    guard let path else { return }
    guard !path.isEmpty else {
      throw ValidationError("\(option): expected the name of a file, found none")
    }
    let own = Self.resolved(path)
    // What is written to a device is no file.
    if let other = known.first(where: { $0.path == own }), !own.hasPrefix("/dev/") {
      throw ValidationError(
        "\(option) contradicts \(other.option): both are \(path.debugDescription)")
    }
    known.append((option, own))
  }

  private static func resolved(_ path: String) -> String {
    URL(fileURLWithPath: path).standardizedFileURL.resolvingSymlinksInPath().path
  }
}
