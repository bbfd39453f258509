import Partitioner
import PlanIR

/// How far the choice between two plans holds, for people.
enum ThresholdText {
  static func lines(_ comparison: Comparison) -> [String] {
    let fits = [("this plan", comparison.plan), ("the other", comparison.other)]
    let misfits = fits.filter { !$0.1.fits }.map { name, plan in
      let limit = plan.cluster.device.memory - plan.cluster.device.reserved
      return "\(name) does not fit: it needs \(Units.bytes(plan.predicted.memory.total)) of "
        + Units.bytes(limit)
    }
    switch comparison.thresholds {
    case .failure(let refusal): return misfits + ["no thresholds: \(refusal)"]
    case .success(let thresholds): return misfits + lines(thresholds, comparison.plan.cluster)
    }
  }

  private static func lines(_ thresholds: Thresholds, _ cluster: Cluster) -> [String] {
    let (winner, then) = (name(thresholds.winner), name(thresholds.winner.opposite))
    var lines = thresholds.flips.map { flip in
      let (at, now) = (
        value(flip.flipsAt, of: flip.rate), value(flip.present, of: flip.rate)
      )
      return "\(winner) wins until \(name(flip.rate, cluster)) "
        + (flip.isBelow ? "falls under" : "rises over") + " \(at) (now \(now)), then \(then)"
    }
    if let memory = thresholds.leastMemory {
      lines.append(
        "\(winner) wins until a device's memory falls under \(Units.bytes(memory)) "
          + "(now \(Units.bytes(cluster.device.memory))), then it does not fit and \(then) wins")
    }
    if !thresholds.held.isEmpty {
      let names = thresholds.held.map { name($0, cluster) }
      lines.append(
        "\(winner) wins whatever \(names.joined(separator: ", ")), "
          + "from a thousandth to a thousandfold")
    }
    if !thresholds.leftOut.isEmpty {
      let names = thresholds.leftOut.map { name($0, cluster) }
      lines.append("not looked at: \(names.joined(separator: ", ")), for products are measured")
    }
    return lines
  }

  private static func name(_ side: Thresholds.Side) -> String {
    switch side {
    case .plan: "this plan"
    case .other: "the other"
    }
  }

  private static func name(_ rate: ClusterRate, _ cluster: Cluster) -> String {
    switch rate {
    case .bandwidth(let level): "the bandwidth of \(cluster.levels[level].name)"
    case .latency(let level): "the latency of \(cluster.levels[level].name)"
    case .matmulFlops(let bits): "the \(bits)-bit matmul peak"
    case .memoryBandwidth: "the bandwidth of a device's memory"
    }
  }

  private static func value(_ value: Double, of rate: ClusterRate) -> String {
    switch rate {
    case .bandwidth, .memoryBandwidth: Units.rate(value, "B")
    case .latency: Units.seconds(value)
    case .matmulFlops: Units.rate(value, "FLOP")
    }
  }
}
