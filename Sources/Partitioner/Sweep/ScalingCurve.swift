package import PlanIR

/// How the time of a step falls as devices are added, the batch staying as it is.
///
/// Example: 8 devices take 8 s, 16 take 5 s, 32 take 4.5 s. The gain of 16 over 8 is (8 / 5 - 1) /
/// (16 / 8 - 1) = 0.6 of linear, that of 32 over 16 is (5 / 4.5 - 1) / (32 / 16 - 1) = 0.11: the knee
/// is 16.
package struct ScalingCurve: Sendable {
  /// By device count, ascending.
  package let points: [Point]
  /// Where scaling stops paying; nil of fewer than two counts.
  package let knee: Knee?

  /// The gain of a count that is worth taking: half of linear speedup.
  package static let leastGain = 0.5

  /// One device count.
  package struct Point: Hashable, Sendable {
    package let devices: Int
    package let step: Picoseconds
    /// Step of the smallest count over this one's.
    package let speedup: Double
    /// Speedup over what as many times more devices would give at best; 1 is linear.
    package let efficiency: Double
    /// What the step up to here gains; nil of the smallest count.
    package let gain: Gain?
  }

  /// What a larger count gains over a smaller one.
  package struct Gain: Hashable, Sendable {
    /// (time of the smaller / time of the larger - 1) / (larger / smaller - 1): 1 is linear, 0 no
    /// faster, negative slower.
    package let fraction: Double
    /// The smaller count: the largest below that was itself worth taking.
    package let over: Int

    /// Whether it is at least ``ScalingCurve/leastGain``.
    package var isEnough: Bool { fraction >= ScalingCurve.leastGain }
  }

  /// The largest count that is reached by steps of which each gains enough; counts that do not are
  /// passed over, and the next is held against the last that did.
  package struct Knee: Hashable, Sendable {
    package let devices: Int
    /// The next larger count, which does not gain enough; nil where the knee is the largest.
    package let next: Point?
  }

  /// The curve through the times of steps on ascending device counts.
  package init(_ steps: [(devices: Int, step: Picoseconds)]) {
    var points: [Point] = []
    var reached: Point?
    for (devices, step) in steps {
      let gain = reached.map { Self.gain(of: devices, step, over: $0) }
      let speedup = points.first.map { Self.ratio($0.step, step) } ?? 1
      let more = points.first.map { Double(devices) / Double($0.devices) } ?? 1
      let point = Point(
        devices: devices, step: step, speedup: speedup, efficiency: speedup / more, gain: gain)
      points.append(point)
      if gain?.isEnough ?? true { reached = point }
    }
    self.points = points
    knee = reached.flatMap { reached in
      points.count < 2
        ? nil
        : Knee(devices: reached.devices, next: points.first { $0.devices > reached.devices })
    }
  }

  private static func gain(of devices: Int, _ step: Picoseconds, over point: Point) -> Gain {
    let more = Double(devices) / Double(point.devices) - 1
    return Gain(fraction: (ratio(point.step, step) - 1) / more, over: point.devices)
  }

  /// Of times that are none the ratio is 1.
  private static func ratio(_ first: Picoseconds, _ second: Picoseconds) -> Double {
    second > .zero ? Double(first.count) / Double(second.count) : 1
  }
}
