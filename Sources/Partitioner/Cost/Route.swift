import PlanIR

/// What messages of a group meet on their way: bandwidth-optimal algorithms (Chan et al., Collective
/// communication, 2007) over rings that cross each unit of a level once, so that all members inside
/// a unit share its ways out; for broadcast and reduce a pipelined tree.
struct Route: Hashable {
  private let size: Double
  /// Bytes a second at which every member sends, where those in one unit use all its links.
  private var ringBandwidth = Double.infinity
  /// Seconds of a message once round the ring but for the last hop: hops at each level in turn.
  private var ringLatency = 0.0
  private var treeLatency = 0.0
  private var outermostLatency = 0.0
  private var outermostBandwidth = Double.infinity
  /// To each other member a part, those further out over slower links: seconds, and seconds a byte.
  private var exchangeLatency = 0.0
  private var exchangeSeconds = 0.0
  private let contention: Double
  /// Measured times of collectives, which count before all else.
  private let measured: CollectiveTimes
  /// What running a collective takes beside, in seconds.
  private let interpretation: Double
  /// Bytes of an activation.
  private let width: Int
  /// Bytes of gradients, or weights, that are sent together.
  private let bucket: Double?

  init(
    span: GroupSpan, levels: [Cluster.Level], contention: Double, measured: CollectiveTimes,
    interpretation: Double = 0, width: Int, bucket: Bytes? = nil
  ) {
    (self.measured, self.width) = (measured, width)
    self.interpretation = interpretation
    self.bucket = bucket.map { Double($0.count) }
    size = Double(span.size)
    self.contention = contention
    for crossing in span.crossings {
      let level = levels[crossing.level]
      let (inner, members) = (Double(crossing.inner), Double(crossing.members))
      ringBandwidth = min(ringBandwidth, level.bandwidth * inner)
      ringLatency += (size / inner - size / members) * level.latency
      let fan = crossing.members / crossing.inner
      treeLatency += Double(Int.bitWidth - (fan - 1).leadingZeroBitCount) * level.latency
      outermostLatency = level.latency
      outermostBandwidth = level.bandwidth
      exchangeLatency += (members - inner) * level.latency
      exchangeSeconds += (members - inner) / size / level.bandwidth
    }
  }

  /// The time of a collective on `bytes`, of elements of `width` bytes, an activation's unless it is
  /// given.
  func time(_ pattern: CollectiveUse.Pattern, bytes: Int, width: Int? = nil) -> Picoseconds {
    guard size > 1 else { return .zero }
    if let figure = figure(pattern, bytes, width) {
      return Picoseconds(seconds: (figure.seconds + interpretation) * contention)
    }
    let once = Picoseconds(seconds: seconds(pattern, bytes: Double(bytes)) * contention)
    // A reduce-scatter and an all-gather, to the picosecond.
    return pattern.plain == .allReduce ? once * 2 : once
  }

  /// What a tensor that is a part of a bucket has of its latency.
  private func bucketed(_ bytes: Double) -> Double {
    bucket.map { ringLatency * min(1, bytes / $0) } ?? ringLatency
  }

  /// Where ``time(_:bytes:width:)`` comes from.
  func basis(_ pattern: CollectiveUse.Pattern, bytes: Int, width: Int) -> FigureBasis {
    let known =
      size > 1
      ? measured.basis(pattern, devices: Int(size), elements: bytes / width) : nil
    return known ?? FigureBasis(.modelled)
  }

  private func figure(
    _ pattern: CollectiveUse.Pattern, _ bytes: Int, _ width: Int?
  ) -> MeasuredFigure? {
    guard !measured.isEmpty else { return nil }
    return measured.figure(
      pattern, devices: Int(size), elements: bytes / (width ?? self.width))
  }

  /// Seconds of a collective, of an all-reduce those of either half.
  private func seconds(_ pattern: CollectiveUse.Pattern, bytes: Double) -> Double {
    switch pattern {
    case .allGather, .reduceScatter, .allReduce:
      ringLatency + bytes * (size - 1) / size / ringBandwidth
    case .bucketedAllGather, .bucketedReduceScatter, .bucketedAllReduce:
      bucketed(bytes) + bytes * (size - 1) / size / ringBandwidth
    case .broadcast, .reduce: treeLatency + bytes / ringBandwidth
    case .allToAll: exchangeLatency + bytes * exchangeSeconds
    case .permute: outermostLatency + bytes / ringBandwidth
    // Neighbouring stages may lie on either side of a node's edge: all are priced as those that do.
    case .send: outermostLatency + bytes / outermostBandwidth
    case .exchange: outermostLatency + bytes / 2 / outermostBandwidth
    }
  }
}
