import Glibc

/// Reads whole files, never more of them than a stated limit.
package enum FileBytes {
  /// The contents of `path`, which may be a pipe.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - limit: The most bytes it may hold; an endless device is refused after that many.
  /// - Returns: All of its bytes.
  /// - Throws: ``FormatError`` where the file is missing, unreadable or longer than `limit`.
  package static func contents(of path: String, limit: Int) throws(FormatError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw openingError(path) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var failure: Int32 = 0
    while bytes.count <= limit, failure == 0 {
      let piece = nextPiece(of: descriptor, failure: &failure)
      if piece.isEmpty { break }
      bytes += piece
    }
    if failure != 0 { throw .unreadable(file: path, reason: systemReason(failure)) }
    if bytes.count <= limit { return bytes }
    throw .malformed(
      file: path, place: "byte \(limit)", expected: "at most \(limit) bytes", found: "more",
      remedy: "check that this is the file you meant")
  }

  private static func nextPiece(of descriptor: Int32, failure: inout Int32) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: 1 << 18) { buffer, count in
      var taken = -1
      repeat {
        taken = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      } while taken < 0
        && errno == EINTR
      if taken < 0 { failure = errno }
      count = max(taken, 0)
    }
  }

  /// What the failed opening of `path` means, by `errno`.
  static func openingError(_ path: String) -> FormatError {
    errno == ENOENT || errno == ENOTDIR
      ? .missing(file: path) : .unreadable(file: path, reason: systemReason(errno))
  }
}

/// The system's words for an error number.
func systemReason(_ code: Int32) -> String {
  strerror(code).map { String(cString: $0).lowercased() } ?? "error \(code)"
}
