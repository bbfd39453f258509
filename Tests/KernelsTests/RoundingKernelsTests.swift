import Kernels
import PlanIR
import Testing

@Suite struct RoundingKernelsTests {
  /// The naive double: of the two bfloat16s around a number the nearer, or the even one, measured as
  /// doubles, in which neither they nor their distances are rounded.
  private static func nearest(_ value: Float) -> UInt32 {
    let inward = value.bitPattern & 0xFFFF_0000
    if value.isNaN { return inward | 0x0040_0000 }
    if value.isInfinite { return inward }
    let magnitude = Double(value.magnitude)
    // Of infinity, the number that would follow the largest: 2 to the power 128.
    func number(_ bits: UInt32) -> Double {
      let number = Double(Float(bitPattern: bits & 0x7FFF_0000))
      return number.isInfinite ? 0x1p128 : number
    }
    let outward = inward + 0x1_0000
    let (below, above) = (magnitude - number(inward), number(outward) - magnitude)
    if below == above { return inward & 0x1_0000 == 0 ? inward : outward }
    return below < above ? inward : outward
  }

  private static func rounded(_ bits: [UInt32]) -> [UInt32] {
    let tensor = Tensor(count: bits.count, .float32)
    tensor.view.base.withMemoryRebound(to: UInt32.self, capacity: bits.count) {
      $0.update(from: bits, count: bits.count)
    }
    RoundingKernels.roundToBFloat16(tensor.view)
    return (0..<bits.count).map {
      tensor.view.base.load(fromByteOffset: $0 * 4, as: UInt32.self)
    }
  }

  private func expectNearest(_ bits: [UInt32], _ what: String) {
    let expected = bits.map { Self.nearest(Float(bitPattern: $0)) }
    let bad = zip(bits, zip(Self.rounded(bits), expected)).first { $0.1.0 != $0.1.1 }
    guard let bad else { return }
    let (number, result) = (Float(bitPattern: bad.0), Float(bitPattern: bad.1.0))
    let wanted = Float(bitPattern: bad.1.1)
    Issue.record("\(what): \(number) became \(result), the nearest is \(wanted)")
  }

  @Test(arguments: [0, 1, 0x7FFE, 0x7FFF, 0x8000, 0x8001, 0xFFFF] as [UInt32])
  func `every upper half is rounded to the nearest, ties to even`(_ lower: UInt32) {
    expectNearest((0...0xFFFF).map { $0 << 16 | lower }, "lower half \(lower)")
  }

  @Test(arguments: [UInt64.random(in: 0...UInt64.max), 17])
  func `random bits are rounded to the nearest`(_ seed: UInt64) {
    let generator = CounterGenerator(seed: seed, name: "bits")
    expectNearest(
      (0..<500_000).map { UInt32(truncatingIfNeeded: generator.bits(at: $0)) }, "seed \(seed)")
  }

  @Test func `values that have names keep them, and the largest overflow`() {
    let cases: [(Float, Float)] = [
      (0, 0), (1, 1), (-.infinity, -.infinity), (0x1.FEp127, 0x1.FEp127),
      (0x1.FEFFFEp127, 0x1.FEp127), (0x1.FFp127, .infinity),
      (-.greatestFiniteMagnitude, -.infinity), (0x1.01p0, 1), (0x1.03p0, 0x1.04p0),
      (0x1.010002p0, 0x1.02p0), (0x1p-133, 0x1p-133), (0x1p-134, 0), (0x1.8p-133, 0x1p-132),
    ]
    let results = Self.rounded(cases.map(\.0.bitPattern))
    for (result, pair) in zip(results, cases) {
      #expect(result == pair.1.bitPattern, "\(pair.0) became \(Float(bitPattern: result))")
    }
    #expect(Self.rounded([(-0.0 as Float).bitPattern]) == [0x8000_0000])
    // NaNs whose payload lies in the lower half, or whose rounding would carry.
    for bits in [0x7F80_0001, 0xFF80_0001, 0x7FFF_FFFF, 0xFFFF_8000] as [UInt32] {
      let result = Self.rounded([bits])[0]
      #expect(Float(bitPattern: result).isNaN && result >> 31 == bits >> 31 && result & 0xFFFF == 0)
    }
  }

  @Test(arguments: [0, 1, 7, 33])
  func `rounding again changes nothing, whatever the count`(_ count: Int) {
    let generator = CounterGenerator(seed: 5, name: "bits")
    let once = Self.rounded(
      (0..<count).map { UInt32(truncatingIfNeeded: generator.bits(at: UInt64($0))) })
    #expect(once.count == count && Self.rounded(once) == once)
  }
}
