package import PlanIR

/// How far the choice between two plans holds: the values of the cluster's figures, each changed alone,
/// at which the other plan becomes the faster one.
///
/// Each rate is looked at from a thousandth to a thousand times its value, outwards in 30 steps of a
/// factor of 10^0.1 either way; the first step over which the order flips is halved, by ratio, until it is
/// known to 1 in 100,000. Two flips within one step are not seen.
package struct Thresholds: Sendable {
  /// The plan that takes less time now.
  package let winner: Side
  /// By figure; of each at most one below its present value and one above.
  package private(set) var flips: [Flip] = []
  /// Rates whatever value of which, within the range, leaves the order as it is.
  package private(set) var held: [ClusterRate] = []
  /// The matmul peak, where products have measured times: nobody knows how these would change.
  package private(set) var leftOut: [ClusterRate] = []
  /// The capacity of a device's memory below which the winner no longer fits, while the other does; nil
  /// where the winner needs no more than the other, or does not fit now.
  package let leastMemory: Bytes?

  /// One of the two plans.
  package enum Side: String, Sendable {
    case plan, other

    /// The other one.
    package var opposite: Side { self == .plan ? .other : .plan }
  }

  /// Where the order of the two plans flips.
  package struct Flip: Hashable, Sendable {
    package let rate: ClusterRate
    package let present, flipsAt: Double
    /// Whether below `flipsAt`, or above, the winner no longer wins.
    package var isBelow: Bool { flipsAt < present }
  }

  /// Compares `plan` with `other`, which must be of the same cluster, model and workload.
  package static func between(
    _ plan: Plan, _ other: Plan, _ training: TrainingGraph, timings: TimingTable = TimingTable()
  ) throws(ThresholdRefusal) -> Thresholds {
    try ThresholdRefusal.check(plan, other)
    do throws(ConstraintViolation) {
      return Thresholds(
        plan, other,
        try Repricing(training, choices: plan.choices, cluster: plan.cluster, timings: timings),
        try Repricing(training, choices: other.choices, cluster: plan.cluster, timings: timings),
        areProductsMeasured: !timings.isEmpty)
    } catch {
      throw .unplanned(error)
    }
  }

  private init(
    _ plan: Plan, _ other: Plan, _ first: Repricing, _ second: Repricing,
    areProductsMeasured: Bool
  ) {
    let isFirst = plan.predicted.step < other.predicted.step
    winner = isFirst ? .plan : .other
    leastMemory =
      isFirst
      ? Self.leastMemory(plan, against: other) : Self.leastMemory(other, against: plan)
    let scan = RateScan(
      cluster: plan.cluster, winner: isFirst ? first : second, loser: isFirst ? second : first)
    for rate in ClusterRate.all(of: plan.cluster, plan.workload.precision) {
      let present = rate.value(on: plan.cluster)
      guard present > 0 else { continue }
      if case .matmulFlops = rate, areProductsMeasured {
        leftOut.append(rate)
        continue
      }
      let found = scan.flips(rate)
      flips += found.map { Flip(rate: rate, present: present, flipsAt: $0) }
      if found.isEmpty { held.append(rate) }
    }
  }

  private static func leastMemory(_ winner: Plan, against loser: Plan) -> Bytes? {
    let needed = winner.predicted.memory.total
    guard winner.fits, needed > loser.predicted.memory.total else { return nil }
    return needed + winner.cluster.device.reserved
  }
}

extension Plan {
  /// Whether it stays within the memory that its cluster leaves to plans.
  package var fits: Bool {
    predicted.memory.total <= cluster.device.memory - cluster.device.reserved
  }
}
