import Partitioner
import PlanIR
import Testing

@Suite struct ScalingCurveTests {
  private func curve(_ steps: [(Int, Int)]) -> ScalingCurve {
    ScalingCurve(steps.map { (devices: $0.0, step: Picoseconds($0.1)) })
  }

  /// Counts with their steps, the knee, and what comes after it.
  private static let knees: [(steps: [(Int, Int)], knee: Int?, next: Int?)] = [
    ([], nil, nil), ([(8, 100)], nil, nil),
    // Linear, and better than that.
    ([(8, 800), (16, 400), (32, 200)], 32, nil), ([(8, 800), (16, 300)], 16, nil),
    // Exactly half of linear is enough, a little less is not.
    ([(8, 1500), (16, 1000)], 16, nil), ([(8, 1500), (16, 1001)], 8, 16),
    ([(8, 8000), (16, 5000), (32, 4500)], 16, 32), ([(8, 100), (16, 200), (32, 300)], 8, 16),
    // Half of linear from 8 to 24 is twice the speed, not three quarters.
    ([(8, 2000), (24, 1000)], 24, nil), ([(8, 2000), (24, 1001)], 8, 24),
    // What 24 loses does not hide what 32 gains over 16.
    ([(16, 1000), (24, 1200), (32, 500)], 32, nil),
    ([(16, 1000), (24, 1200), (32, 700)], 16, 24), ([(1, 0), (2, 0)], 1, 2),
  ]

  @Test(arguments: knees.indices)
  func `the knee is the last count reached by steps that gain half of linear`(_ index: Int) {
    let (steps, knee, next) = Self.knees[index]
    let found = curve(steps).knee
    #expect(found?.devices == knee, "\(steps)")
    #expect(found?.next?.devices == next, "\(steps)")
  }

  @Test func `speedup and efficiency are relative to the smallest count`() {
    let points = curve([(8, 800), (16, 500), (32, 400)]).points
    #expect(points.map(\.speedup) == [1, 1.6, 2])
    #expect(points.map(\.efficiency) == [1, 0.8, 0.5])
  }

  @Test func `a gain is relative to the last count that gained enough, and says which`() {
    let gains = curve([(16, 1000), (24, 1200), (32, 500), (64, 400)]).points.map(\.gain)
    #expect(gains.map { $0?.over } == [nil, 16, 16, 32])
    #expect(gains[0] == nil && gains[2]?.fraction == 1 && gains[3]?.fraction == 0.25)
    #expect(gains[1].map { $0.fraction < 0 && !$0.isEnough } == true)
  }
}
