import Partitioner
import PlanIR
import TestSupport
import Testing

/// What is said where no plan fits in memory, each change tried by a search of its own.
@Suite struct NearestFitTests {
  private func request(_ change: (inout SearchRequest) -> Void = { _ in }) throws -> SearchRequest {
    var sample = SampleModel()
    (sample.heads, sample.keyValueHeads, sample.headWidth, sample.layers) = (4, 4, 8, 4)
    (sample.hidden, sample.wide) = (32, 64)
    var request = SearchRequest(
      training: try TrainingGraph(
        model: sample.gpt2(), workload: Workload(globalBatch: 32, sequence: 64)),
      cluster: SyntheticCluster.cluster, devices: 2, memory: .unlimited, keep: 1)
    change(&request)
    return request
  }

  private func least(_ request: SearchRequest) throws -> Bytes {
    var request = request
    (request.objective, request.memory) = (.memory, .unlimited)
    return try #require(Search.run(request).plans.first).predicted.memory.total
  }

  private func found(_ constraint: String, _ answer: SearchAnswer) -> Int? {
    answer.reasons.first { $0.constraint == constraint }.flatMap { Int($0.needed) }
  }

  @Test func `devices that are said to be enough are, and half of them are not`() throws {
    var request = try request()
    request.memory = .bytes(Bytes(try least(request).count * 2 / 3))
    let answer = Search.run(request)
    #expect(answer.plans.isEmpty && answer.reasons.first?.remedy.hasPrefix("--memory ") == true)
    let devices = try #require(found("devices whose memory is enough", answer))
    #expect(devices > 2)
    request.devices = devices
    #expect(!Search.run(request).plans.isEmpty)
    request.devices = devices / 2
    #expect(Search.run(request).plans.isEmpty)
  }

  @Test func `each constraint is named once, and none that does not divide where memory is short`()
    throws
  {
    var request = try request()
    request.devices = 12
    request.memory = .bytes(Bytes(try least(request).count / 2))
    let reasons = Search.run(request).reasons
    #expect(reasons.first?.constraint == "memory of a device")
    #expect(Set(reasons.map(\.constraint)).count == reasons.count)
    #expect(reasons.allSatisfy { $0.indivisible == nil })
  }

  @Test(arguments: [2, 3, 4, 6])
  func `the plan that is told to need least memory does, of mixtures too`(_ devices: Int) throws {
    var request = try request { $0.devices = devices }
    (request.pins.recompute, request.pins.zero) = (Recomputation.none, 0)
    let needed = try least(request)
    request.memory = .bytes(needed - Bytes(1))
    let answer = Search.run(request)
    #expect(answer.plans.isEmpty)
    #expect(answer.nearest?.predicted.memory.total == needed)
    // Batches that data does not divide are no reason beside it.
    #expect(!answer.reasons.contains { $0.constraint == "global batch divisible by data" })
    request.memory = .bytes(needed)
    #expect(!Search.run(request).plans.isEmpty)
  }

  @Test func `the cluster that is advised has least memory of those on which a plan fits`() throws {
    var request = try request()
    let needed = try least(request)
    func cluster(_ name: String, _ memory: Bytes) -> Cluster {
      var cluster = request.cluster
      (cluster.name, cluster.device.memory) = (name, memory + cluster.device.reserved)
      return cluster
    }
    (request.cluster, request.memory) = (cluster("small", Bytes(needed.count / 2)), .device)
    let others = [
      cluster("vast", needed + needed), cluster("tight", needed - Bytes(1)),
      cluster("enough", needed), cluster("tiny", Bytes(needed.count / 3)),
    ]
    request.otherClusters = { others }
    func advised() -> String? {
      Search.run(request).reasons.first { $0.constraint == "cluster whose memory is enough" }?
        .remedy
    }
    #expect(advised() == "--cluster enough")
    // A limit that was given holds wherever the plan runs.
    request.memory = .bytes(Bytes(needed.count / 2))
    #expect(advised() == nil)
    request.memory = .device
    request.otherClusters = { [others[1]] }
    #expect(advised() == nil)
  }

  @Test func `what does not divide is said where nothing would have room either`() throws {
    var sample = SampleModel()
    // Rows of attention's weights are split by heads and by their width, which no loop can be over.
    (sample.heads, sample.keyValueHeads, sample.headWidth, sample.hidden) = (6, 6, 10, 60)
    (sample.wide, sample.layers) = (240, 2)
    var request = SearchRequest(
      training: try TrainingGraph(
        model: sample.gpt2(), workload: Workload(globalBatch: 8, sequence: 64)),
      cluster: SyntheticCluster.cluster, devices: 4, memory: .bytes(Bytes(1)), keep: 1)
    (request.pins.layout, request.pins.mesh, request.pins.matmul) = (.summa, [4, 1], .stepped)
    let answer = Search.run(request)
    #expect(answer.plans.isEmpty && answer.nearest == nil)
    #expect(answer.reasons.contains { $0.constraint.hasPrefix("heads divisible by the rows") })
    // Where gathered products divide, memory stands in their way alone.
    request.pins.matmul = nil
    let open = Search.run(request)
    #expect(open.plans.isEmpty && open.nearest != nil)
    #expect(!open.reasons.contains { $0.constraint.hasPrefix("heads divisible by the rows") })
  }

  @Test func `no more threads are advised where they share one memory`() throws {
    var request = try request()
    request.memory = .bytes(Bytes(try least(request).count * 2 / 3))
    request.cluster.sharedCores = 2
    let answer = Search.run(request)
    #expect(answer.plans.isEmpty && found("devices whose memory is enough", answer) == nil)
  }

  @Test func `no batch is advised where parameters alone do not fit`() throws {
    // Activations of one sequence each a replica at least: parameters alone never fit.
    var small = try request()
    small.memory = .bytes(Bytes(try least(small).count / 8))
    #expect(found("global batch that fits", Search.run(small)) == nil)
  }

  @Test func `pins stand in the way where micro-batches are too large`() throws {
    var kept = try request { request in
      (request.pins.recompute, request.pins.microBatch) = (Recomputation.none, 16)
      (request.pins.data, request.pins.tensor) = (2, 1)
    }
    kept.memory = .bytes(try least(kept) - Bytes(1))
    let answer = Search.run(kept)
    #expect(answer.plans.isEmpty)
    let pins = answer.reasons.filter { $0.constraint == "a pin that fits" }.map(\.remedy)
    #expect(pins.contains("no --micro-batch") && pins.contains("no --recompute"))
  }

  @Test func `a batch that is said to fit does, and twice as much does not`() throws {
    // All micro-batches forward before any backward: what they keep adds up.
    var request = try request {
      ($0.pins.pipeline, $0.pins.schedule, $0.pins.microBatch) = (2, .gpipe, 1)
      $0.pins.recompute = Recomputation.none
    }
    request.memory = .bytes(Bytes(try least(request).count / 2))
    let answer = Search.run(request)
    #expect(answer.plans.isEmpty)
    let batch = try #require(found("global batch that fits", answer))
    #expect(batch < 32 && 32 % batch == 0)
    request.training = request.training.withBatch(batch)
    #expect(!Search.run(request).plans.isEmpty)
    request.training = request.training.withBatch(2 * batch)
    #expect(Search.run(request).plans.isEmpty)
  }

  @Test func `pins that are said to stand in the way do, alone`() throws {
    var request = try request {
      ($0.pins.recompute, $0.pins.microBatch) = (Recomputation.none, 16)
    }
    request.memory = .bytes(try least(request) - Bytes(1))
    let answer = Search.run(request)
    for reason in answer.reasons where reason.constraint == "a pin that fits" {
      var other = request
      if reason.remedy == "no --micro-batch" { other.pins.microBatch = nil }
      if reason.remedy == "no --recompute" { other.pins.recompute = nil }
      #expect(!Search.run(other).plans.isEmpty, "\(reason)")
    }
  }
}
