import Calibration
import PlanIR
import Testing

@Suite("Median and spread")
struct SampleSummaryTests {
  @Test(
    "Quartiles between samples are interpolated",
    arguments: [
      ([7.0], 7.0, 0.0), ([1, 3], 2, 0.5), ([5, 1, 3, 2, 4], 3, 1), ([4, 3, 2, 1], 2.5, 0.75),
    ])
  func known(samples: [Double], median: Double, spread: Double) throws {
    let summary = try #require(SampleSummary(samples))
    #expect(summary.count == samples.count)
    #expect(summary.median == median)
    #expect(summary.spread == spread)
  }

  @Test("One run in nine that takes a thousand times longer moves neither median nor spread")
  func outlier() throws {
    let summary = try #require(SampleSummary([2, 2, 2, 2, 2000, 2, 2, 2, 2]))
    #expect(summary.median == 2)
    #expect(summary.spread == 0)
  }

  @Test("Samples that are no times are left out, and none at all are no timing")
  func unusable() {
    #expect(SampleSummary([.nan, -1, 3, .infinity])?.count == 1)
    #expect(Timing(seconds: [], origin: .sample) == nil)
    #expect(Timing(seconds: [.nan], origin: .sample) == nil)
  }

  @Test("A timing is in nanoseconds and says when and by what it was measured")
  func timing() throws {
    let timing = try #require(Timing(seconds: [1, 2, 3, 4, 5], origin: .sample))
    let expected = Timing(
      samples: 5, medianNanoseconds: 3e9, spreadNanoseconds: 1e9, date: "2026-11-23",
      version: "test")
    #expect(timing == expected)
  }

  @Test("Measurements of which no samples are kept are joined by how many there were")
  func joined() throws {
    func timing(_ samples: Int, _ median: Double, _ spread: Double) -> Timing {
      Timing(
        samples: samples, medianNanoseconds: median, spreadNanoseconds: spread, date: "2026-11-23",
        version: "test")
    }
    #expect(timing(10, 4, 1).joined(with: timing(10, 6, 1)) == timing(20, 5, 2))
    #expect(timing(30, 4, 1).joined(with: timing(10, 8, 3)) == timing(40, 5, 2.5))
    var other = timing(10, 6, 1)
    other.amount = KernelAmount(elements: 1, flops: 1)
    #expect(timing(10, 4, 1).joined(with: other) == other)
  }
}
