/// Numbers drawn from a seed (Steele et al., SplitMix, 2014).
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  /// A seed of chance, to be printed beside what fails.
  static var seed: UInt64 { UInt64.random(in: .min ... .max) }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }
}
