import Formats
import Foundation

/// The answer.
enum StandardOutput {
  /// Prints `text` and a newline.
  static func print(_ text: String) throws { try write(text + "\n") }

  /// Prints a JSON document, the only one of its command.
  static func print(_ document: JSONValue) throws { try write(document.canonicalText) }

  /// Prints `text` as it is.
  static func write(_ text: String) throws {
    do {
      try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
    } catch {
      throw CommandFailure(
        code: 74,
        message: "standard output: cannot be written: \(String(cString: strerror(errno))); "
          + "check where it leads and its free space")
    }
  }
}

/// Text for people that is not the answer.
enum StandardError {
  static func print(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data((text + "\n").utf8))
  }

  /// Whether progress may be shown: never in a file or a pipe, never where colour is not wanted.
  static var showsProgress: Bool {
    isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["NO_COLOR"] == nil
  }
}
