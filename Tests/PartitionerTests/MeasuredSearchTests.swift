import Partitioner
import PlanIR
import TestSupport
import Testing

/// Searches whose kernels and collectives have measured times, drawn at random.
@Suite struct MeasuredSearchTests {
  private func request(layout: LayoutName?, devices: Int) throws -> SearchRequest {
    var sample = SampleModel()
    sample.layers = 3
    var pins = Pins()
    pins.layout = layout
    return SearchRequest(
      training: try TrainingGraph(
        model: sample.llama(), workload: Workload(globalBatch: 8, sequence: 16)),
      cluster: SyntheticCluster.cluster, devices: devices, memory: .unlimited, pins: pins, keep: 6)
  }

  @Test(arguments: [
    (LayoutName?.none, 2, 1.0), (.megatron, 4, 0.5), (.summa, 4, 0.3), (.sequence, 4, 0.05),
  ])
  func `what is pruned is never among the best, and every plan costs what its own lowering does`(
    layout: LayoutName?, devices: Int, share: Double
  ) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var request = try request(layout: layout, devices: devices)
    request.timings = try .drawn(request, seed: seed, share: share)
    #expect(!request.timings.isEmpty, "seed \(seed)")
    let pruned = Search.run(request)
    request.exhaustive = true
    let whole = Search.run(request)
    #expect(pruned.mispriced.isEmpty && whole.mispriced.isEmpty, "seed \(seed)")
    #expect(
      pruned.plans.map(\.choices.canonicalText) == whole.plans.map(\.choices.canonicalText),
      "seed \(seed)")
    #expect(pruned.plans.map(\.predicted) == whole.plans.map(\.predicted), "seed \(seed)")
  }

  @Test func `each kernel and collective takes what running one does beside, on shared cores more`()
    throws
  {
    let request = try request(layout: .megatron, devices: 4)
    let plan = try #require(Search.run(request).plans.first)
    let program = try Partitioner.program(of: request.training, choices: plan.choices)
    var cluster = request.cluster
    cluster.sharedCores = 2
    var table = try TimingTable.drawn(request, seed: 1, share: 1)
    table.record(interpretation: 0)
    func parts(_ table: TimingTable) -> [ProgramPart: PartTime] {
      let cost = ClusterCost(
        cluster: cluster, precision: .mixed, mesh: plan.choices.mesh,
        placement: plan.choices.placement, timings: table)
      return PricedParts(program, cost: cost).times
    }
    let without = parts(table)
    table.record(interpretation: 2e-6)
    for (part, time) in parts(table) {
      let more = time.seconds - (without[part]?.seconds ?? 0)
      // Of a message's three instructions that which receives it has its price.
      let priced = part == .message ? time.count / 3 : time.count
      #expect(abs(more / (2e-6 * Double(priced)) - 1) < 1e-3, "\(part)")
    }
  }

  @Test(arguments: [(1, 2), (2, 2), (4, 2), (8, 2), (4, 64)])
  func
    `all that threads on shared cores do takes longer by what sharing costs, but where one is alone`(
      devices: Int, cores: Int
    ) throws
  {
    var request = try request(layout: .data, devices: devices)
    request.cluster.sharedCores = cores
    request.pins.pipeline = 1
    request.timings = try TimingTable.drawn(request, seed: 2, share: 1)
    request.timings.record(sharing: 1)
    let plan = try #require(Search.run(request).plans.first)
    func seconds(_ factor: Double, _ request: SearchRequest) throws -> Double {
      var request = request
      request.timings.record(sharing: factor)
      return try Partitioner.predict(
        request.training, choices: plan.choices, cluster: request.cluster,
        timings: request.timings
      ).step.seconds
    }
    let alike = try seconds(1, request)
    #expect(abs(try seconds(1.25, request) / alike - (devices > 1 ? 1.25 : 1)) < 1e-6)
    // Nothing is faster for being shared.
    #expect(try seconds(0.5, request) == alike)
    request.cluster.sharedCores = nil
    #expect(try seconds(1.25, request) == seconds(1, request))
  }

  @Test func `a plan all of whose kernels are measured takes their times and no other`() throws {
    var request = try request(layout: .data, devices: 1)
    request.pins.recompute = Recomputation.none
    let plan = try #require(Search.run(request).plans.first)
    let program = try Partitioner.program(of: request.training, choices: plan.choices)
    for kernel in Partitioner.kernels(of: program) {
      #expect(TimedKernel(kernel.call) == TimedKernel(kernel.call.timedName))
    }
    func predicted(_ factor: Double, but slow: String = "") throws -> Prediction {
      var table = TimingTable()
      for kernel in Partitioner.kernels(of: program) {
        let seconds = 1e-3 * factor
        if let product = kernel.product {
          table.record(product, seconds: seconds)
        } else {
          let name = kernel.call.timedName
          table.record(name, kernel.amount, seconds: name == slow ? 2 * seconds : seconds)
        }
      }
      return try Partitioner.predict(
        request.training, choices: plan.choices, cluster: request.cluster, timings: table)
    }
    let (once, twice) = (try predicted(1), try predicted(2))
    #expect(once.step.count > 0 && twice.step == once.step * 2)
    let slower = try predicted(1, but: "attention-gradient.causal")
    let count = plan.choices.microBatches * 3
    #expect(slower.step == once.step + Picoseconds(1_000_000_000) * count)
  }
}
