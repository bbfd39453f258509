import Partitioner
import PlanIR
import TestSupport
import Testing

/// What is said where nothing divides: nearest sizes have a plan, and none nearer has.
@Suite struct NearestSizesTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var devices: Int
    var batch: Int
    var sequence = 30
    var layers = 2
    var pins = Pins()

    var testDescription: String { "\(devices) devices, batch \(batch), \(pins)" }

    init(_ devices: Int, _ batch: Int, _ change: (inout Case) -> Void = { _ in }) {
      (self.devices, self.batch) = (devices, batch)
      change(&self)
    }

    func request(devices: Int? = nil, batch: Int? = nil) throws -> SearchRequest {
      var sample = SampleModel()
      (sample.heads, sample.keyValueHeads, sample.headWidth, sample.layers) = (4, 4, 8, layers)
      (sample.hidden, sample.wide, sample.positions) = (32, 64, 128)
      let training = try TrainingGraph(
        model: sample.gpt2(),
        workload: Workload(globalBatch: batch ?? self.batch, sequence: sequence))
      var request = SearchRequest(
        training: training, cluster: SyntheticCluster.cluster, devices: devices ?? self.devices,
        memory: .unlimited, pins: pins, keep: 1)
      request.asksWhy = devices == nil && batch == nil
      return request
    }
  }

  static let cases = [
    Case(11, 4), Case(13, 6), Case(22, 6), Case(26, 1), Case(35, 3),
    Case(17, 5) { $0.pins.layout = .data }, Case(28, 1) { $0.pins.layout = .data },
    Case(9, 8) { ($0.pins.layout, $0.pins.tensor) = (.megatron, 3) },
    Case(8, 7) { ($0.pins.pipeline, $0.pins.microBatch) = (2, 2) },
    Case(10, 4) { $0.pins.schedule = .interleaved },
    Case(8, 5) { ($0.pins.schedule, $0.layers) = (.interleaved, 4) },
    Case(6, 9) { ($0.pins.context, $0.pins.contextAttention) = (2, .ring) },
  ]

  private func found(_ constraint: String, _ answer: SearchAnswer) -> Int? {
    answer.reasons.first { $0.constraint == constraint }.flatMap { Int($0.needed) }
  }

  private func hasPlan(_ request: SearchRequest) -> Bool { !Search.run(request).plans.isEmpty }

  /// The nearest of `sizes` to `asked` that has a plan; of two the smaller.
  private func nearest(
    _ asked: Int, _ sizes: ClosedRange<Int>, _ hasPlan: (Int) throws -> Bool
  ) rethrows -> Int? {
    let ordered = sizes.filter { $0 != asked }
      .sorted { (abs($0 - asked), $0) < (abs($1 - asked), $1) }
    return try ordered.first(where: hasPlan)
  }

  @Test(arguments: cases)
  func `sizes that are said to divide have a plan, and none that is nearer has`(
    _ own: Case
  ) throws {
    let answer = Search.run(try own.request())
    try #require(answer.plans.isEmpty)
    let devices = try nearest(own.devices, 1...2 * own.devices + 8) {
      hasPlan(try own.request(devices: $0))
    }
    #expect(found("devices that divide", answer) == devices)
    let batch = try nearest(own.batch, 1...own.devices + 2 * own.batch) {
      hasPlan(try own.request(batch: $0))
    }
    #expect(found("global batch that divides", answer) == batch)
  }

  @Test func `stages that no layer is left for are the one reason`() throws {
    var own = Case(16, 8)
    own.pins.pipeline = 16
    let reasons = Search.run(try own.request()).reasons
    #expect(reasons.count == 1)
    #expect(reasons.first?.constraint.hasPrefix("a layer on every pipeline stage") == true)
  }

  @Test func `a step of more than 100 days is said to be too long, at once`() throws {
    var request = try Case(4, 8).request()
    for level in request.cluster.levels.indices { request.cluster.levels[level].latency = 1e9 }
    request.cluster.device.memoryBandwidth = 1e-6
    request.cluster.device.matmulFlops16 = 1
    for objective in Objective.allCases {
      request.objective = objective
      let answer = Search.run(request)
      #expect(answer.plans.isEmpty)
      #expect(answer.reasons.contains { $0.constraint.contains("100 days") }, "\(answer.reasons)")
    }
  }
}
