/// Why a file could not be read or written: one message with file, place, what was expected, what
/// was found and what to try.
package enum FormatError: Error, Hashable, Sendable {
  /// There is no file of this name.
  case missing(file: String)
  /// There is neither a file nor, of this `kind`, anything shipped that is called `name`.
  case unknown(name: String, kind: String, shipped: [String])
  /// The file exists and the system refuses to read it.
  case unreadable(file: String, reason: String)
  /// The file's contents are wrong at `place`: a JSON path, a line or a byte offset.
  case malformed(file: String, place: String, expected: String, found: String, remedy: String)
  /// The file cannot be written.
  case unwritable(file: String, reason: String)

  /// The status a command ends with: 66 missing, 65 bad data, 74 reading or writing failed.
  package var exitCode: Int32 {
    switch self {
    case .missing, .unknown: 66
    case .malformed: 65
    case .unreadable, .unwritable: 74
    }
  }
}

extension FormatError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .missing(let file):
      "\(file): no such file; check the path"
    case .unknown(let name, let kind, let shipped):
      "\(name.quoted()): neither a file nor the name of a shipped \(kind); give a path"
        + (shipped.isEmpty ? "" : " or one of \(shipped.joined(separator: ", "))")
    case .unreadable(let file, let reason):
      "\(file): cannot be read: \(reason); check that it is a file and its permissions"
    case .malformed(let file, let place, let expected, let found, let remedy):
      "\(file): at \(place): expected \(expected), found \(found); \(remedy)"
    case .unwritable(let file, let reason):
      "\(file): cannot be written: \(reason); check the folder's permissions and free space"
    }
  }
}

extension String {
  /// The text in quotation marks, fit for a message: control characters escaped, cut after
  /// `limit` characters. Names out of files may hold anything, terminal escapes included.
  package func quoted(limit: Int = 60) -> String {
    var text = "\""
    for scalar in unicodeScalars.prefix(limit) { text += scalar.escaped }
    return text + (unicodeScalars.dropFirst(limit).isEmpty ? "\"" : "…\"")
  }
}
