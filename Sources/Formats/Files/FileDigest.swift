package import PlanIR

/// What a file holds, in short.
package enum FileDigest {
  /// The digest of the file at `path`, some gigabytes a second: each of four lanes takes every fourth word.
  ///
  /// - Throws: ``FormatError`` where it is missing, unreadable or no regular file.
  package static func digest(of path: String) throws(FormatError) -> Digest {
    let file = try MappedFile(path)
    let bytes = file.contents
    var lanes = SIMD4<UInt64>(1, 2, 3, 4)
    let whole = bytes.count / 32 * 32
    // Sound: reads whole groups of 32 bytes of the mapping, which `file` keeps.
    for start in stride(from: 0, to: whole, by: 32) {
      let words = bytes.loadUnaligned(fromByteOffset: start, as: SIMD4<UInt64>.self)
      for lane in 0..<4 { lanes[lane] = mixed(lanes[lane] ^ words[lane]) }
    }
    var digest = Digest()
    digest.add(bytes.count)
    for lane in 0..<4 { digest.add(lanes[lane]) }
    for byte in bytes[whole...] { digest.add(UInt64(byte)) }
    return digest
  }

  /// No two words give the same; high bits come down before and after low ones go up.
  private static func mixed(_ word: UInt64) -> UInt64 {
    let product = (word ^ word >> 32) &* 0x9E37_79B9_7F4A_7C15
    return product ^ product >> 29
  }
}
