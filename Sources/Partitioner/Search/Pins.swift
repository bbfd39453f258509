package import PlanIR

/// What the user fixes of a plan; nil leaves it to the search.
package struct Pins: Hashable, Sendable {
  package var layout: LayoutName?
  /// Whether the factor assignments themselves are opened, beyond the named layouts.
  package var opensFactors = false
  package var mesh: [Int]?
  package var tensor, pipeline, data, context, microBatch: Int?
  package var sequenceParallel: Bool?
  package var contextAttention: ContextAttention?
  package var gathersInputs, gathersWeights: GatherChoice?
  package var matmul: MatmulSchedule?
  package var recompute: Recomputation?
  package var zero: Int?
  package var schedule: PipelineSchedule?
  package var interleave: Int?
  /// What is left out where it is not fixed.
  package var exclusions = Exclusions()

  /// Nothing fixed.
  package init() {}
}

/// What is asked of a search.
package struct SearchRequest: Sendable {
  package var training: TrainingGraph
  package var cluster: Cluster
  package var devices: Int
  /// How much of a device's memory plans may take.
  package var memory: MemoryLimit
  package var pins: Pins
  package var objective: Objective
  package var timings: TimingTable
  /// Whether candidates that cannot be kept are priced all the same, but for mixtures that are too slow.
  package var exhaustive: Bool
  /// How many plans to keep, and whether to keep all that no other beats in time and memory both.
  package var keep: Int
  package var keepsFront: Bool
  /// Whether to find the best plan of each layout, too.
  package var comparesLayouts = false
  /// Where it is only asked whether any plan of one layout fits: after how many items to give up.
  var probe: Int?
  /// Whether to tell why where there is no plan, and what is nearest.
  package var asksWhy = true
  /// Clusters that may be advised where the device's memory is not enough; asked for only then.
  package var otherClusters: (@Sendable () -> [Cluster])?
  /// Whether to tell what became of every candidate.
  package var certifies = false
  /// Told now and then how far the search is; what it finds does not depend on it.
  package var progress: (@Sendable (SearchProgress) -> Void)?

  package init(
    training: TrainingGraph, cluster: Cluster, devices: Int, memory: MemoryLimit = .device,
    pins: Pins = Pins(), objective: Objective = .time, timings: TimingTable = TimingTable(),
    exhaustive: Bool = false, keep: Int = 10, keepsFront: Bool = false
  ) {
    self.training = training
    self.cluster = cluster
    self.devices = devices
    self.memory = memory
    self.pins = pins
    self.objective = objective
    self.timings = timings
    self.exhaustive = exhaustive
    self.keep = keep
    self.keepsFront = keepsFront
  }

  /// The limit in bytes; nil for none.
  package var limit: Bytes? { memory.bytes(on: cluster) }

  /// Whether mixtures that take longer than another for the sake of less memory are left out where the
  /// other fits: gathering again, loops over panels. Products with measured times are not known to take
  /// longer in panels.
  var prunesDominated: Bool {
    objective == .time && !exhaustive && !keepsFront && timings.isEmpty
      && pins.gathersInputs == nil && pins.gathersWeights == nil && pins.matmul == nil
  }
}

/// How much memory plans may take.
package enum MemoryLimit: Hashable, Sendable {
  /// The device's capacity less what the cluster reserves.
  case device
  case bytes(Bytes)
  case unlimited

  /// The limit in bytes of a device of `cluster`; nil for none.
  package func bytes(on cluster: Cluster) -> Bytes? {
    switch self {
    case .device: cluster.device.memory - cluster.device.reserved
    case .bytes(let bytes): bytes
    case .unlimited: nil
    }
  }
}

/// What makes a plan better.
package enum Objective: String, Hashable, Sendable, CaseIterable {
  case time, memory
}
