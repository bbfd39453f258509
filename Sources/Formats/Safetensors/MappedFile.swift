import Glibc

/// A regular file mapped into memory, read-only, for as long as this object lives.
///
/// Sound to share: the mapping is never written, its address and length never change, and it is
/// removed only when no reference is left.
final class MappedFile: @unchecked Sendable {
  /// The file's contents.
  let contents: UnsafeRawBufferPointer

  /// Maps the file at `path`.
  ///
  /// - Throws: ``FormatError`` where it is missing, unreadable or no regular file.
  init(_ path: String) throws(FormatError) {
    // Without O_NONBLOCK, opening a pipe would wait for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw FileBytes.openingError(path) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw .unreadable(file: path, reason: "it is not a regular file")
    }
    let size = Int(status.st_size)
    if size == 0 {
      contents = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0),
      address != MAP_FAILED
    else { throw .unreadable(file: path, reason: systemReason(errno)) }
    contents = UnsafeRawBufferPointer(start: address, count: size)
  }

  deinit {
    if let address = contents.baseAddress {
      munmap(UnsafeMutableRawPointer(mutating: address), contents.count)
    }
  }
}
