import PlanIR

/// What messages of a group meet on their way: bandwidth-optimal algorithms (Chan et al., Collective
/// communication, 2007) over rings that cross each unit of a level once, so that all members inside
/// a unit share its ways out; for broadcast and reduce a pipelined tree.
///
/// Shared: thousands of groups on as many meshes meet the same.
final class Route: Hashable, Sendable {
  private let figures: Figures
  /// Measured times of collectives, which count before all else.
  private let measured: CollectiveTimes

  /// What times follow from.
  private struct Figures: Hashable {
    let size: Double
    /// Bytes a second at which every member sends, where those in one unit use all its links.
    var ringBandwidth = Double.infinity
    /// Seconds of a message once round the ring but for the last hop: hops at each level in turn.
    var ringLatency = 0.0
    var treeLatency = 0.0
    var outermostLatency = 0.0
    var outermostBandwidth = Double.infinity
    /// To each other member a part, those further out over slower links: seconds, and seconds a byte.
    var exchangeLatency = 0.0
    var exchangeSeconds = 0.0
    let contention: Double
    /// What running a collective takes beside, in seconds.
    let interpretation: Double
    /// Bytes of an activation.
    let width: Int
    /// Bytes of gradients, or weights, that are sent together.
    let bucket: Double?
  }

  init(
    span: GroupSpan, levels: [Cluster.Level], contention: Double, measured: CollectiveTimes,
    interpretation: Double = 0, width: Int, bucket: Bytes? = nil
  ) {
    let size = Double(span.size)
    var figures = Figures(
      size: size, contention: contention, interpretation: interpretation, width: width,
      bucket: bucket.map { Double($0.count) })
    for crossing in span.crossings {
      let level = levels[crossing.level]
      let (inner, members) = (Double(crossing.inner), Double(crossing.members))
      figures.ringBandwidth = min(figures.ringBandwidth, level.bandwidth * inner)
      figures.ringLatency += (size / inner - size / members) * level.latency
      let fan = crossing.members / crossing.inner
      figures.treeLatency += Double(Int.bitWidth - (fan - 1).leadingZeroBitCount) * level.latency
      figures.outermostLatency = level.latency
      figures.outermostBandwidth = level.bandwidth
      figures.exchangeLatency += (members - inner) * level.latency
      figures.exchangeSeconds += (members - inner) / size / level.bandwidth
    }
    (self.figures, self.measured) = (figures, measured)
  }

  static func == (left: Route, right: Route) -> Bool {
    left === right || (left.figures == right.figures && left.measured == right.measured)
  }

  func hash(into hasher: inout Hasher) { hasher.combine(figures) }

  /// The time of a collective on `bytes`, of elements of `width` bytes, an activation's unless it is
  /// given.
  func time(_ pattern: CollectiveUse.Pattern, bytes: Int, width: Int? = nil) -> Picoseconds {
    guard figures.size > 1 else { return .zero }
    if let figure = figure(pattern, bytes, width) {
      return Picoseconds(seconds: (figure.seconds + figures.interpretation) * figures.contention)
    }
    let once = Picoseconds(seconds: seconds(pattern, bytes: Double(bytes)) * figures.contention)
    // A reduce-scatter and an all-gather, to the picosecond.
    return pattern.plain == .allReduce ? once * 2 : once
  }

  /// What a tensor that is a part of a bucket has of its latency.
  private func bucketed(_ bytes: Double) -> Double {
    figures.bucket.map { figures.ringLatency * min(1, bytes / $0) } ?? figures.ringLatency
  }

  /// Where ``time(_:bytes:width:)`` comes from.
  func basis(_ pattern: CollectiveUse.Pattern, bytes: Int, width: Int) -> FigureBasis {
    let known =
      figures.size > 1
      ? measured.basis(pattern, devices: Int(figures.size), elements: bytes / width) : nil
    return known ?? FigureBasis(.modelled)
  }

  private func figure(
    _ pattern: CollectiveUse.Pattern, _ bytes: Int, _ width: Int?
  ) -> MeasuredFigure? {
    guard !measured.isEmpty else { return nil }
    return measured.figure(
      pattern, devices: Int(figures.size), elements: bytes / (width ?? figures.width))
  }

  /// Seconds of a collective, of an all-reduce those of either half.
  private func seconds(_ pattern: CollectiveUse.Pattern, bytes: Double) -> Double {
    switch pattern {
    case .allGather, .reduceScatter, .allReduce:
      figures.ringLatency + bytes * (figures.size - 1) / figures.size / figures.ringBandwidth
    case .bucketedAllGather, .bucketedReduceScatter, .bucketedAllReduce:
      bucketed(bytes) + bytes * (figures.size - 1) / figures.size / figures.ringBandwidth
    case .broadcast, .reduce: figures.treeLatency + bytes / figures.ringBandwidth
    case .allToAll: figures.exchangeLatency + bytes * figures.exchangeSeconds
    case .permute: figures.outermostLatency + bytes / figures.ringBandwidth
    // Neighbouring stages may lie on either side of a node's edge: all are priced as those that do.
    case .send: figures.outermostLatency + bytes / figures.outermostBandwidth
    case .exchange: figures.outermostLatency + bytes / 2 / figures.outermostBandwidth
    }
  }
}
