import Foundation
import Testing

/// Runs the built `tpplan` in a folder of its own, with a timing database in it.
final class CommandLine {
  /// What a run of the program left.
  struct Outcome {
    var arguments: String
    var code: Int32
    var output: String
    var error: String

    /// The one JSON document on standard output.
    func json() throws -> [String: Any] {
      let value = try JSONSerialization.jsonObject(with: Data(output.utf8))
      return try #require(value as? [String: Any], "\(arguments): \(output)")
    }
  }

  let folder: URL
  /// What the program finds in its environment beside the test's own. Without these it sees no GPU.
  var environment = ["CUDA_VISIBLE_DEVICES": "-1"]
  /// What runs in place of the built program.
  var other: URL?

  init() throws {
    folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("tpplan-cli-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// The path of `name` in the folder.
  func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

  /// Writes `text` to `name` and returns its path.
  @discardableResult
  func write(_ text: String, _ name: String) throws -> String {
    try Data(text.utf8).write(to: folder.appendingPathComponent(name))
    return path(name)
  }

  func text(_ name: String) throws -> String {
    try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
  }

  /// What lies in the folder, hidden files included, without the timing database.
  func contents() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path)
      .filter { !$0.hasPrefix("timings") }.sorted()
  }

  /// Runs `tpplan` with the words of `arguments`; `@` stands for the folder.
  ///
  /// Standard output is what `device` takes, where it is given.
  func run(_ arguments: String, device: String? = nil) throws -> Outcome {
    try run(words: arguments.split(separator: " ").map(String.init), device: device)
  }

  /// Runs `tpplan` with `words`, which may hold spaces; `@` stands for the folder.
  func run(words arguments: [String], device: String? = nil) throws -> Outcome {
    let words = arguments.map { $0.replacing("@", with: folder.path) }
    let number = UUID().uuidString
    let (output, error) = (device ?? path("timings-out-\(number)"), path("timings-err-\(number)"))
    let process = Process()
    process.executableURL = try other ?? Self.program()
    process.arguments = words
    process.currentDirectoryURL = folder
    process.environment = ProcessInfo.processInfo.environment
      .merging(["TPPLAN_TIMINGS": path("timings.db")]) { $1 }
      .merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try Self.file(output)
    process.standardError = try Self.file(error)
    try process.run()
    process.waitUntilExit()
    defer { for file in [output, error] where file != device { remove(file) } }
    return Outcome(
      arguments: arguments.joined(separator: " "),
      code: process.terminationReason == .exit ? process.terminationStatus : -1,
      output: device == nil ? try Self.contents(output) : "",
      error: try Self.contents(error))
  }

  private func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }

  /// Output goes through files: a pipe that nobody empties would block the program.
  private static func file(_ path: String) throws -> FileHandle {
    if !path.hasPrefix("/dev/") {
      _ = FileManager.default.createFile(atPath: path, contents: nil)
    }
    return try #require(FileHandle(forWritingAtPath: path))
  }

  private static func contents(_ path: String) throws -> String {
    String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
  }

  /// The program beside the test bundle, wherever that was built.
  static func program() throws -> URL {
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let starts = [URL(fileURLWithPath: own)] + CommandLine.bundles
    for start in starts {
      var folder = start
      while folder.path != "/" {
        folder.deleteLastPathComponent()
        let program = folder.appendingPathComponent("tpplan")
        if isProgram(program.path) { return program }
      }
    }
    throw MissingProgram(starts: starts.map(\.path))
  }

  private static func isProgram(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      && !isFolder.boolValue && FileManager.default.isExecutableFile(atPath: path)
  }

  /// The test bundles among the process's arguments: a runner of the toolchain may load them.
  private static var bundles: [URL] {
    ProcessInfo.processInfo.arguments.filter { $0.hasSuffix(".xctest") }
      .map { URL(fileURLWithPath: $0) }
  }
}

/// The program has not been built.
struct MissingProgram: Error {
  var starts: [String]
}
