import Formats
import Foundation
import Partitioner
import PlanIR
import TestSupport
import Testing

/// What a search leaves out, against what it finds where nothing is left out.
@Suite struct ExactSearchTests {
  /// A small search drawn from a seed: model, cluster, batch, devices, pins and limit.
  struct Draw: Sendable, CustomTestStringConvertible {
    let seed: UInt64
    /// Whether what plans compute and send has times that are drawn, too.
    var isMeasured = false

    var testDescription: String { "seed \(seed)" + (isMeasured ? ", measured" : "") }

    /// Networks as they are shipped, or some that join parts of nodes, other nodes, or are no slower further out.
    private func cluster() throws -> Cluster {
      var cluster = try shipped()
      guard seed % 5 == 0 else { return cluster }
      var random = SplitMix(state: ~seed)
      cluster.devicesPerNode = [2, 3, 4, 8].randomElement(using: &random) ?? 2
      var devices: Int? = 1
      cluster.levels = (0..<Int.random(in: 1...3, using: &random)).map { _ in
        devices = devices.map { $0 * Int.random(in: 2...4, using: &random) }
        return Cluster.Level(
          name: "drawn", devices: devices,
          bandwidth: pow(10, .random(in: 6...11, using: &random)),
          latency: pow(10, .random(in: -7 ... -4, using: &random)))
      }
      cluster.levels[cluster.levels.count - 1].devices = nil
      return cluster
    }

    /// Rooflines alone, or a profile that prices tiles, launches and buckets.
    private func shipped() throws -> Cluster {
      let shipped = ClusterCatalog(folders: [Golden.root.path + "/models/clusters"])
      switch seed % 3 {
      case 0:
        var cluster = SyntheticCluster.cluster
        cluster.device.operators.overlapsGradients = seed % 2 == 0
        // Threads that share cores.
        if isMeasured { cluster.sharedCores = 2 }
        return cluster
      case 1: return try shipped.cluster("h100-sxm")
      default: return try shipped.cluster("a100-sxm-80gb")
      }
    }

    func request() throws -> SearchRequest {
      var request = try unmeasured()
      guard isMeasured else { return request }
      request.timings = try .drawn(request, seed: seed, share: [0.1, 0.6, 1][Int(seed % 3)])
      return request
    }

    private func unmeasured() throws -> SearchRequest {
      var random = CaseGenerator(state: seed)
      var sample = SampleModel()
      let heads = random.pick([2, 3, 4, 6])
      (sample.hidden, sample.heads, sample.headWidth) = (heads * 8, heads, 8)
      (sample.keyValueHeads, sample.layers) = (heads, random.pick([1, 2, 3, 5]))
      (sample.wide, sample.isTied) = (heads * random.pick([16, 24]), random.pick([true, false]))
      var workload = Workload(globalBatch: random.pick([2, 3, 4, 8]), sequence: 16)
      workload.attention = random.pick([.fused, .fused, .unfused])
      let isLlama = random.pick([true, false])
      var pins = Pins()
      pins.layout = random.pick([nil, .megatron, .summa, .stationary, .sequence])
      let devices = pins.layout == nil ? random.pick([1, 2, 3]) : random.pick([2, 4])
      pins.recompute = random.pick([nil, nil, nil, Recomputation.none, .full])
      let model = isLlama ? sample.llama() : sample.gpt2()
      var request = SearchRequest(
        training: try TrainingGraph(model: model, workload: workload),
        cluster: try cluster(), devices: devices, memory: .unlimited, pins: pins,
        keep: 5)
      guard random.pick([true, true, false]) else { return request }
      // Between what the leanest plan needs and what the fastest does.
      let fastest = Search.run(request).plans.first?.predicted.memory.total ?? .zero
      request.objective = .memory
      let least = Search.run(request).plans.first?.predicted.memory.total ?? .zero
      let room = Double(max(0, fastest.count - least.count)) * random.pick([0, 0.2, 0.5, 0.9])
      request.memory = .bytes(least + Bytes(Int(room)))
      request.objective = random.pick([.time, .time, .memory])
      return request
    }
  }

  /// Many more where the full matrices are asked for.
  static let draws = (1...(LayoutMatrix.isFull ? 2_000 : 20)).map {
    Draw(seed: UInt64($0) &* 0x9E37_79B9_7F4A_7C15, isMeasured: $0 % 4 == 0)
  }

  @Test(arguments: draws)
  func `what is pruned is never among the best`(draw: Draw) throws {
    var request = try draw.request()
    let pruned = Search.run(request)
    request.exhaustive = true
    let whole = Search.run(request)
    #expect(pruned.mispriced.isEmpty && whole.mispriced.isEmpty)
    #expect(
      pruned.plans.map(\.choices.canonicalText) == whole.plans.map(\.choices.canonicalText))
    #expect(pruned.plans.map(\.predicted) == whole.plans.map(\.predicted))
  }

  /// Nodes of so many devices, and networks of so many with their bandwidths, the last joining all.
  static let networks: [(perNode: Int, levels: [(devices: Int, bandwidth: Double)])] = [
    (3, [(9, 2.5e11), (0, 1e9)]), (6, [(6, 1e10), (18, 1e8), (0, 1e6)]),
    (8, [(6, 1e10), (0, 1e7)]), (4, [(4, 1e7), (0, 1e10)]),
  ]

  @Test(arguments: networks.indices)
  func `nothing is missed where networks join parts of nodes, several, or are faster further out`(
    index: Int
  ) throws {
    var sample = SampleModel()
    (sample.hidden, sample.heads, sample.headWidth, sample.wide) = (48, 6, 8, 96)
    (sample.keyValueHeads, sample.layers) = (6, 2)
    var cluster = SyntheticCluster.cluster
    cluster.devicesPerNode = Self.networks[index].perNode
    cluster.levels = Self.networks[index].levels.map {
      Cluster.Level(
        name: "\($0.devices)", devices: $0.devices > 0 ? $0.devices : nil, bandwidth: $0.bandwidth,
        latency: 1e-5)
    }
    var request = SearchRequest(
      training: try TrainingGraph(
        model: sample.gpt2(), workload: Workload(globalBatch: 8, sequence: 16)),
      cluster: cluster, devices: 8, memory: .unlimited, keep: 3)
    (request.pins.context, request.pins.recompute) = (1, Recomputation.none)
    let pruned = Search.run(request)
    request.exhaustive = true
    let whole = Search.run(request)
    #expect(
      pruned.plans.map(\.choices.canonicalText) == whole.plans.map(\.choices.canonicalText))
    #expect(pruned.plans.map(\.predicted) == whole.plans.map(\.predicted))
  }

  @Test(arguments: [Objective.time, .memory])
  func `a stage without layers may hold all that fits beside them`(objective: Objective) throws {
    var sample = SampleModel()
    (sample.hidden, sample.heads, sample.headWidth, sample.wide) = (32, 4, 8, 4096)
    (sample.keyValueHeads, sample.layers, sample.positions) = (4, 1, 100_000)
    var request = SearchRequest(
      training: try TrainingGraph(
        model: sample.gpt2(), workload: Workload(globalBatch: 8, sequence: 16)),
      cluster: SyntheticCluster.cluster, devices: 3, memory: .unlimited, objective: .memory,
      keep: 1)
    (request.pins.pipeline, request.pins.layout) = (3, .data)
    request.exhaustive = true
    let least = try #require(Search.run(request).plans.first)
    #expect(least.choices.stages.map(\.layers) == [0, 1, 0])
    request.memory = .bytes(least.predicted.memory.total)
    (request.exhaustive, request.objective) = (false, objective)
    let found = try #require(Search.run(request).plans.first)
    #expect(found.predicted.memory.total == least.predicted.memory.total)
  }

  /// Small layers on four stages of one device, a sequence at a time, as much memory as they like.
  private func deep(layers: Int, globalBatch: Int) throws -> SearchRequest {
    var sample = SampleModel()
    (sample.hidden, sample.heads, sample.headWidth, sample.wide) = (32, 4, 8, 64)
    (sample.keyValueHeads, sample.layers) = (4, layers)
    var request = SearchRequest(
      training: try TrainingGraph(
        model: sample.gpt2(), workload: Workload(globalBatch: globalBatch, sequence: 16)),
      cluster: SyntheticCluster.cluster, devices: 4, memory: .unlimited)
    (request.pins.pipeline, request.pins.microBatch) = (4, 1)
    return request
  }

  /// Memory that all have, or that few cuts leave room for.
  @Test(arguments: [Objective.time, .memory], [false, true])
  func `a deep chain is cut as all of its cuts say`(objective: Objective, isTight: Bool) throws {
    var request = try deep(layers: 29, globalBatch: 4)
    (request.objective, request.keep) = (.memory, 3)
    request.pins.gathersInputs = .saved
    request.pins.gathersWeights = .saved
    if isTight {
      let least = try #require(Search.run(request).plans.first).predicted.memory.total
      request.memory = .bytes(Bytes(least.count + least.count / 50))
    }
    request.objective = objective
    let pruned = Search.run(request)
    request.exhaustive = true
    let whole = Search.run(request)
    #expect(pruned.plans.count == 3)
    #expect(
      pruned.plans.map(\.choices.canonicalText) == whole.plans.map(\.choices.canonicalText))
    #expect(pruned.plans.map(\.predicted) == whole.plans.map(\.predicted))
  }

  @Test
  func `hundreds of layers have an answer, of more than 64 chunks a stage where pinned alone`()
    throws
  {
    var request = try deep(layers: 300, globalBatch: 8)
    request.keep = 1
    request.pins.schedule = .interleaved
    let found = try #require(Search.run(request).plans.first)
    #expect(found.choices.interleave <= 64)
    request.pins.interleave = 70
    let pinned = try #require(Search.run(request).plans.first)
    #expect(pinned.choices.interleave == 70)
    #expect(pinned.predicted.step >= found.predicted.step)
  }

  @Test(arguments: draws)
  func `what is pruned is never of the front`(draw: Draw) throws {
    var request = try draw.request()
    (request.keepsFront, request.keep) = (true, 1)
    let pruned = Search.run(request)
    request.exhaustive = true
    let whole = Search.run(request)
    #expect(pruned.mispriced.isEmpty)
    #expect(pruned.front.isEmpty == whole.plans.isEmpty)
    #expect(
      pruned.front.map(\.choices.canonicalText) == whole.front.map(\.choices.canonicalText))
    #expect(pruned.front.map(\.predicted) == whole.front.map(\.predicted))
  }
}

/// SplitMix64 (Steele et al., 2014).
private struct CaseGenerator {
  var state: UInt64

  mutating func pick<Value>(_ values: [Value]) -> Value {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return values[Int((mixed ^ (mixed >> 31)) % UInt64(values.count))]
  }
}
