/// A counter-based random generator: the value at an index depends on seed, stream and index alone.
///
/// Weights, batches and dropout masks are drawn by name and *global* element index, so that a
/// sharded run draws what the unsharded run draws whatever the order of its devices. The mixing
/// function is SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA 2014), applied twice with the
/// stream's key between.
public struct CounterGenerator: Sendable {
  @usableFromInline let key: UInt64

  /// A generator for the stream called `name` under `seed`.
  package init(seed: UInt64, name: String) {
    key = Self.mix(Self.fingerprint(of: name) ^ Self.mix(seed &+ 0x9E37_79B9_7F4A_7C15))
  }

  /// 64 random bits at `index`.
  @inlinable
  public func bits(at index: UInt64) -> UInt64 {
    Self.mix(Self.mix(index &* 0x9E37_79B9_7F4A_7C15 &+ key) ^ key)
  }

  /// A number uniform in [0, 1) at `index`, a multiple of 2^-53.
  @inlinable
  public func uniform(at index: UInt64) -> Double { Double(bits(at: index) >> 11) * 0x1p-53 }

  /// A number with mean 0 and variance 1 at `index`: the sum of twelve uniforms less six, which
  /// needs no transcendental function and so is the same to the bit on every machine.
  package func normal(at index: UInt64) -> Double {
    var sum = 0
    for lane in 0..<4 {
      let word = bits(at: index &* 4 &+ UInt64(lane))
      sum += Int(word & 0x1F_FFFF) + Int((word >> 21) & 0x1F_FFFF) + Int((word >> 42) & 0x1F_FFFF)
    }
    return (Double(sum) + 6) * 0x1p-21 - 6
  }

  /// An integer uniform in `0..<bound` at `index`.
  package func integer(below bound: Int, at index: UInt64) -> Int {
    Int(bits(at: index).multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// The bits of `value`, mixed.
  @inlinable
  public static func mix(_ value: UInt64) -> UInt64 {
    var word = value
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }

  /// FNV-1a of the text's UTF-8, the same in every process.
  package static func fingerprint(of text: String) -> UInt64 {
    text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
  }
}
