import Glibc

/// A file written whole or not at all: a temporary file in the same folder that takes the name on
/// ``commit()`` and is removed without it.
///
/// A symbolic link is followed, so the file it points to is replaced and the link stays. What is
/// no regular file (`/dev/stdout`, a pipe) has no contents to keep and is written directly.
package struct AtomicFile: ~Copyable {
  /// The name it was asked for, for messages.
  package let path: String
  private let target: String
  /// The file written to until it takes the name; nil where `target` is written directly.
  private var temporary: String?
  private let descriptor: Int32

  /// Starts to replace `path`.
  ///
  /// - Throws: ``FormatError/unwritable(file:reason:)`` where the folder takes no new file.
  package init(replacing path: String) throws(FormatError) {
    var status = stat()
    let exists = stat(path, &status) == 0
    let kind = exists ? status.st_mode & S_IFMT : S_IFREG
    if kind == S_IFDIR { throw .unwritable(file: path, reason: "it is a folder") }
    let target = exists ? Self.resolved(path) : path
    let temporary = kind == S_IFREG ? Self.temporaryName(beside: target) : nil
    let descriptor =
      temporary.map { open($0, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666) }
      ?? open(target, O_WRONLY | O_CLOEXEC)
    if descriptor < 0 { throw .unwritable(file: path, reason: systemReason(errno)) }
    if exists, temporary != nil { fchmod(descriptor, status.st_mode & 0o777) }
    self.path = path
    self.target = target
    self.temporary = temporary
    self.descriptor = descriptor
  }

  deinit {
    close(descriptor)
    if let temporary { unlink(temporary) }
  }

  /// Appends `bytes`.
  ///
  /// - Throws: ``FormatError/unwritable(file:reason:)``, a full disk included.
  package mutating func append(_ bytes: UnsafeRawBufferPointer) throws(FormatError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = UnsafeRawBufferPointer(rebasing: rest)
      let written = Glibc.write(descriptor, part.baseAddress, part.count)
      if written < 0, errno == EINTR { continue }
      if written < 0 { throw .unwritable(file: path, reason: systemReason(errno)) }
      rest = rest.dropFirst(written)
    }
  }

  /// Appends `bytes`.
  ///
  /// - Throws: ``FormatError/unwritable(file:reason:)``, a full disk included.
  package mutating func append(_ bytes: [UInt8]) throws(FormatError) {
    let failure: FormatError? = bytes.withUnsafeBytes { buffer in
      do throws(FormatError) { try append(buffer) } catch { return error }
      return nil
    }
    if let failure { throw failure }
  }

  /// Gives the file its name, once its bytes are on the disk.
  ///
  /// - Throws: ``FormatError/unwritable(file:reason:)``; the old file then stays as it was.
  package consuming func commit() throws(FormatError) {
    guard let written = temporary else { return }
    guard fsync(descriptor) == 0, rename(written, target) == 0 else {
      throw .unwritable(file: path, reason: systemReason(errno))
    }
    temporary = nil
  }

  /// Whether `path` can be written, found out before the work whose result goes there.
  ///
  /// - Throws: ``FormatError/unwritable(file:reason:)``.
  package static func check(_ path: String) throws(FormatError) {
    _ = try AtomicFile(replacing: path)
  }

  /// Writes `bytes` to `path`, whole or not at all.
  ///
  /// - Throws: ``FormatError/unwritable(file:reason:)``.
  package static func write(_ bytes: [UInt8], to path: String) throws(FormatError) {
    var file = try AtomicFile(replacing: path)
    try file.append(bytes)
    try file.commit()
  }

  /// Writes `text` to `path` as UTF-8, whole or not at all.
  ///
  /// - Throws: ``FormatError/unwritable(file:reason:)``.
  package static func write(_ text: String, to path: String) throws(FormatError) {
    try write(Array(text.utf8), to: path)
  }

  private static func resolved(_ path: String) -> String {
    guard let real = realpath(path, nil) else { return path }
    defer { free(real) }
    return String(cString: real)
  }

  /// A short name of its own, so that a long file name does not grow past the system's limit.
  private static func temporaryName(beside path: String) -> String {
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    let tag = String(UInt64.random(in: 0 ... .max), radix: 36)
    return "\(folder).tpplan-\(getpid())-\(tag).tmp"
  }
}
