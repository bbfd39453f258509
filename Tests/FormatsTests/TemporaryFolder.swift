import Formats
import Foundation
import Glibc

/// A folder of its own for a test, removed with all it holds when the test lets go of it.
final class TemporaryFolder {
  let path: String

  init() throws {
    let name = "tpplan-test-\(getpid())-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
    path = FileManager.default.temporaryDirectory.appendingPathComponent(name).path
    guard mkdir(path, 0o700) == 0 else { throw FolderError(code: errno) }
  }

  deinit {
    for name in contents() { unlink("\(path)/\(name)") }
    rmdir(path)
  }

  /// Writes a file into the folder and returns its path.
  func write(_ bytes: [UInt8], _ name: String) throws -> String {
    let file = "\(path)/\(name)"
    let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    guard descriptor >= 0 else { throw FolderError(code: errno) }
    defer { close(descriptor) }
    guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
      throw FolderError(code: errno)
    }
    return file
  }

  func write(_ text: String, _ name: String) throws -> String {
    try write(Array(text.utf8), name)
  }

  /// The names in the folder, sorted.
  func contents() -> [String] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }
}

struct FolderError: Error {
  let code: Int32
}
