import PlanIR
import Testing

/// Durations, whose sums are exact.
@Suite struct DurationTests {
  @Test func `a duration is the nearest in whole picoseconds, halves away from zero`() {
    let seed = UInt64.random(in: 0 ... .max)
    let random = CounterGenerator(seed: seed, name: "durations")
    for index in 0..<20_000 {
      // Log-uniform over all that fits, beyond it, and below a picosecond; halves among them.
      let scale = random.uniform(at: UInt64(3 * index)) * 26 - 2
      var picoseconds = (random.uniform(at: UInt64(3 * index + 1)) * 2 - 1).scaled(by: scale)
      if random.integer(below: 3, at: UInt64(3 * index + 2)) == 0 {
        picoseconds = picoseconds.rounded(.down) + 0.5
      }
      let seconds = picoseconds / 1e12
      let expected = min(max((seconds * 1e12).rounded(), -9e18), 9e18)
      #expect(
        Picoseconds(seconds: seconds).count == Int(expected), "seed \(seed), \(seconds) s")
    }
  }

  @Test func `sums and products beyond what fits saturate`() {
    let most = Picoseconds(Int.max)
    #expect(most + Picoseconds(1) == most)
    #expect(Picoseconds(-Int.max) - Picoseconds(2) == Picoseconds(-Int.max))
    #expect(Picoseconds(1 << 40) * (1 << 40) == most)
    #expect(Picoseconds(-1 << 40) * (1 << 40) == Picoseconds(-Int.max))
  }
}

extension Double {
  /// This times 10 to the power of `exponent`.
  fileprivate func scaled(by exponent: Double) -> Double {
    var (value, left) = (self, exponent)
    while left >= 1 { (value, left) = (value * 10, left - 1) }
    while left < 0 { (value, left) = (value / 10, left + 1) }
    return value * (1 + left * 9)
  }
}
