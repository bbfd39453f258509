import Formats
import Foundation
import Partitioner
import PlanIR
import TestSupport
import Testing

/// Pruned against exhaustive searches of spaces whose sizes are drawn log-uniform, up to a million points: candidates,
/// those among them that do not divide or fit.
@Suite struct ExactSizesTests {
  /// A million points in all; where the full matrices are asked for twenty times as many, up to a million in one
  /// case.
  private static let (points, most) = LayoutMatrix.isFull ? (20_000_000, 1e6) : (1_000_000, 1e5)
  private static let least = 100.0

  @Test func `pruned and exhaustive agree on a million points`() throws {
    var random = SplitMix(state: 17)
    var seen = 0
    while seen < Self.points {
      let seed = random.next()
      var request = try Self.request(seed)
      let pruned = Search.run(request)
      request.exhaustive = true
      let whole = Search.run(request)
      #expect(pruned.mispriced.isEmpty, "seed \(seed)")
      #expect(
        pruned.plans.map(\.choices.canonicalText) == whole.plans.map(\.choices.canonicalText),
        "seed \(seed)")
      #expect(pruned.plans.map(\.predicted) == whole.plans.map(\.predicted), "seed \(seed)")
      seen += whole.space.candidates
    }
  }

  /// A search of about as many points as are drawn.
  private static func request(_ seed: UInt64) throws -> SearchRequest {
    var random = SplitMix(state: seed)
    let size = exp(uniform(log(least), log(most), &random))
    while true {
      var request = try draw(&random)
      let candidates = Double(Search.run(request).space.candidates)
      guard candidates > size / 3, candidates < min(size * 3, most) else { continue }
      try limit(&request, &random)
      return request
    }
  }

  private static func uniform(_ low: Double, _ high: Double, _ random: inout SplitMix) -> Double {
    low + (high - low) * Double(random.next() >> 11) / Double(1 << 53)
  }

  private static func pick<Value>(_ values: [Value], _ random: inout SplitMix) -> Value {
    values[Int(random.next() % UInt64(values.count))]
  }

  /// Model, cluster, devices, batch and layout; degrees of two and of other primes, batches that are prime.
  private static func draw(_ random: inout SplitMix) throws -> SearchRequest {
    var sample = SampleModel()
    let heads = pick([2, 3, 4, 5, 6, 8, 12, 24], &random)
    (sample.heads, sample.headWidth) = (heads, pick([8, 16], &random))
    (sample.hidden, sample.wide) = (heads * sample.headWidth, heads * sample.headWidth * 4)
    sample.keyValueHeads = pick(divisors(of: heads), &random)
    sample.layers = Int(exp(uniform(0, log(24), &random)))
    sample.isTied = pick([true, false], &random)
    let isLlama = pick([true, false], &random)
    if !isLlama { sample.keyValueHeads = heads }
    var workload = Workload(
      globalBatch: pick([1, 2, 3, 6, 7, 8, 12, 13, 16, 24, 48], &random),
      sequence: pick([16, 48, 64], &random))
    workload.attention = pick([.fused, .fused, .unfused], &random)
    let clusters = ClusterCatalog(folders: [Golden.root.path + "/models/clusters"])
    var cluster = try clusters.cluster(
      pick(["h100-sxm", "a100-sxm-80gb", "v100-sxm-32gb", "rtx5000-16gb"], &random))
    cluster.devicesPerNode = pick([cluster.devicesPerNode, 2, 4, 3], &random)
    cluster.levels[0].devices = cluster.devicesPerNode
    var pins = Pins()
    pins.layout = pick(
      [.data, .megatron, .summa, .tesseract, .threeDimensional, .stationary, .sequence], &random)
    pins.zero = pick([nil, nil, nil, 1, 2, 3], &random)
    pins.recompute = pick([nil, nil, nil, Recomputation.none, .full], &random)
    pins.schedule = pick([nil, nil, nil, .oneForwardOneBackward, .zeroBubble], &random)
    return SearchRequest(
      training: try TrainingGraph(
        model: isLlama ? sample.llama() : sample.gpt2(), workload: workload),
      cluster: cluster, devices: Int(exp(uniform(0, log(64), &random))), memory: .unlimited,
      pins: pins, keep: 3)
  }

  /// Between what the leanest plan needs and what the fastest does, or none.
  private static func limit(_ request: inout SearchRequest, _ random: inout SplitMix) throws {
    guard pick([true, true, false], &random) else { return }
    let fastest = Search.run(request).plans.first?.predicted.memory.total ?? .zero
    request.objective = .memory
    let leanest = Search.run(request).plans.first?.predicted.memory.total ?? .zero
    let room = Double(max(0, fastest.count - leanest.count)) * uniform(0, 1, &random)
    request.memory = .bytes(leanest + Bytes(Int(room)))
    request.objective = pick([.time, .time, .memory], &random)
  }

  private static func divisors(of number: Int) -> [Int] {
    (1...number).filter { number % $0 == 0 }
  }
}
