import PlanIR

/// Looks for the values of a rate at which the loser becomes the faster plan.
struct RateScan {
  let cluster: Cluster
  let winner, loser: Repricing

  /// 10^0.1: ten steps a decade.
  private static let factor = 1.2589254117941673
  private static let steps = 30
  private static let precision = 1.00001

  /// The nearest below the present value, then the nearest above; neither where there is none.
  func flips(_ rate: ClusterRate) -> [Double] {
    [1 / Self.factor, Self.factor].compactMap { flip(rate, by: $0) }
  }

  private func flip(_ rate: ClusterRate, by factor: Double) -> Double? {
    guard mayFlip(rate, by: factor) else { return nil }
    var inside = rate.value(on: cluster)
    for _ in 0..<Self.steps {
      let outside = inside * factor
      if isFlipped(rate, at: outside) { return boundary(rate, inside, outside) }
      inside = outside
    }
    return nil
  }

  /// Whether the range may hold a flip: no step is shorter where a rate is slower, so that there is none
  /// where the winner at its slowest is no slower than the loser at its fastest.
  private func mayFlip(_ rate: ClusterRate, by factor: Double) -> Bool {
    let present = rate.value(on: cluster)
    let end = (0..<Self.steps).reduce(present) { value, _ in value * factor }
    let (slow, fast) =
      rate.isSlower(at: end, than: present) ? (end, present) : (present, end)
    return loser.step(rate, at: fast) < winner.step(rate, at: slow)
  }

  /// Where between `inside`, at which the winner wins, and `outside` it no longer does.
  private func boundary(_ rate: ClusterRate, _ inside: Double, _ outside: Double) -> Double {
    var (inside, outside) = (inside, outside)
    while max(inside / outside, outside / inside) > Self.precision {
      let middle = (inside * outside).squareRoot()
      if isFlipped(rate, at: middle) { outside = middle } else { inside = middle }
    }
    return (inside * outside).squareRoot()
  }

  private func isFlipped(_ rate: ClusterRate, at value: Double) -> Bool {
    loser.step(rate, at: value) < winner.step(rate, at: value)
  }
}
