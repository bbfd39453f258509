import Foundation
package import PlanIR

/// Times that were measured at some sizes, and what they say of others.
///
/// A time is kept as a multiple of a *reference*, a rough formula of the same sizes that grows as any
/// time must: with arithmetic, with memory touched, never below a start. Between sizes it is the multiple
/// that is interpolated, which varies slowly where times vary by orders of magnitude: the geometric mean
/// of those of the four nearest points, each weighted by the inverse square of its distance in logarithms
/// of sizes (Shepard, A two-dimensional interpolation function for irregularly-spaced data, 1968).
package struct MeasuredTimes: Hashable, Sendable {
  private var points: [Point] = []

  private struct Point: Hashable {
    /// Logarithms of sizes.
    let place: SIMD4<Double>
    var ratio: Double
    var seconds: Double
    /// How many measurements at the same place this is the mean of.
    var count = 1
  }

  /// Nothing measured.
  package init() {}

  /// Whether nothing was measured.
  package var isEmpty: Bool { points.isEmpty }

  /// Where sizes stand among others: at their logarithms, those of zero as of one.
  package static func place(_ first: Int, _ second: Int, _ third: Int = 1) -> SIMD4<Double> {
    func logarithm(_ size: Int) -> Double { log(Double(max(size, 1))) }
    return SIMD4(logarithm(first), logarithm(second), logarithm(third), 0)
  }

  /// Notes that at `place` it takes `seconds`, where the reference has `reference`, both positive: in
  /// place of what was noted there, or, unless it `replaces` that, the mean of all.
  package mutating func record(
    _ place: SIMD4<Double>, seconds: Double, reference: Double, replaces: Bool = false
  ) {
    guard seconds > 0, reference > 0 else { return }
    var point = Point(place: place, ratio: 0, seconds: seconds)
    let next = firstIndex(notBefore: place)
    if next < points.endIndex, points[next].place == place {
      let old = points.remove(at: next)
      if replaces { return record(place, seconds: seconds, reference: reference) }
      point.count += old.count
      point.seconds += (old.seconds - seconds) * Double(old.count) / Double(point.count)
    }
    point.ratio = log(point.seconds / reference)
    points.insert(point, at: next)
  }

  private func firstIndex(notBefore place: SIMD4<Double>) -> Int {
    points.indices.first(toMeet: { !Self.precedes(points[$0].place, place) })
  }

  /// Equal points are found in the same order, whatever the order in which they were noted.
  private static func precedes(_ left: SIMD4<Double>, _ right: SIMD4<Double>) -> Bool {
    for index in left.indices where left[index] != right[index] {
      return left[index] < right[index]
    }
    return false
  }

  /// The time at `place`, where the reference has `reference`; nil where nothing was measured.
  package func figure(at place: SIMD4<Double>, reference: Double) -> MeasuredFigure? {
    guard !points.isEmpty else { return nil }
    var (distances, ratios) = (SIMD4<Double>(repeating: .infinity), SIMD4<Double>())
    for point in points {
      let offset = point.place - place
      var distance = (offset * offset).sum()
      if distance == 0 { return MeasuredFigure(seconds: point.seconds, source: .measured) }
      guard distance < distances[3] else { continue }
      // Into the four nearest, which are sorted; of equals the first stays first.
      var ratio = point.ratio
      for index in distances.indices where distance < distances[index] {
        (distances[index], distance) = (distance, distances[index])
        (ratios[index], ratio) = (ratio, ratios[index])
      }
    }
    let weights = SIMD4<Double>(repeating: 1) / distances
    let mean = (weights * ratios).sum() / weights.sum()
    return MeasuredFigure(seconds: exp(mean) * reference, source: .interpolated)
  }

  /// Where `figure`, the time at `place`, comes from.
  func basis(of figure: MeasuredFigure, at place: SIMD4<Double>) -> FigureBasis {
    FigureBasis(
      figure.source, uncertainty: figure.source == .measured ? nil : uncertainty(at: place))
  }

  /// How far the four nearest to `place` are, on average, from what the others say of each, a share of its time; nil
  /// where there are no two.
  package func uncertainty(at place: SIMD4<Double>) -> Double? {
    guard points.count > 1 else { return nil }
    let nearest = points.indices.sorted { distance(place, $0) < distance(place, $1) }.prefix(4)
    let errors = nearest.map { index -> Double in
      let point = points[index]
      var others = self
      others.points.remove(at: index)
      // Of a reference that is 1 a figure is the multiple.
      let told = others.figure(at: point.place, reference: 1)?.seconds ?? 1
      return abs(exp(log(told) - point.ratio) - 1)
    }
    return errors.reduce(0, +) / Double(errors.count)
  }

  private func distance(_ place: SIMD4<Double>, _ index: Int) -> Double {
    let offset = points[index].place - place
    return (offset * offset).sum()
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(points.count) }
}

/// A time in seconds, and where it comes from.
package struct MeasuredFigure: Hashable, Sendable {
  package var seconds: Double
  package var source: FigureSource

  package init(seconds: Double, source: FigureSource) {
    self.seconds = seconds
    self.source = source
  }
}
