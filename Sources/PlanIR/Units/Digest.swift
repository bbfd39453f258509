/// A number of 128 bits that stands for all that was added to it, in order: the same in every process, and
/// unlikely to be that of anything else (FNV-1a).
package struct Digest: Hashable, Sendable {
  private var hash: UInt128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d

  private static let prime: UInt128 = 0x0000_0000_0100_0000_0000_0000_0000_013b

  /// Of nothing.
  package init() {}

  /// Adds `number`, byte by byte.
  package mutating func add(_ number: UInt64) {
    var rest = number
    for _ in 0..<8 {
      add(byte: UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
  }

  /// Adds `number`.
  package mutating func add(_ number: Int) { add(UInt64(bitPattern: Int64(number))) }

  /// Adds `text` and where it ends, so that texts do not run together.
  package mutating func add(_ text: String) {
    for byte in text.utf8 { add(byte: byte) }
    add(text.utf8.count)
  }

  private mutating func add(byte: UInt8) { hash = (hash ^ UInt128(byte)) &* Self.prime }

  /// The number as 32 hexadecimal digits.
  package var text: String {
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 32 - digits.count) + digits
  }
}
