import Calibration
import Executor
import PlanIR
import Testing

@Suite("Timings of a run's kernels")
struct KernelTimingTests {
  private static let here = "here"
  private let product = KernelIdentity(kernel: "matmul", shape: [2, 3, 4], transposition: "NT")
  private let norm = KernelIdentity(kernel: "norm-apply", shape: [5, 6])

  private func timings(
    _ times: [KernelIdentity: [Double]], _ dtype: DType = .float32, on machine: String = here
  ) -> [(key: TimingKey, timing: Timing)] {
    KernelTimingRecorder(fingerprint: machine, origin: .sample).timings(of: times, dtype: dtype)
  }

  @Test("Products are OpenBLAS's, other kernels Swift's; what never ran has no timing")
  func keys() {
    let unused = KernelIdentity(kernel: "add", shape: [1])
    let found = timings([norm: [1, 3], product: [4, 2, 9], unused: []], .float64)
    #expect(
      found.map(\.key) == [
        TimingKey(
          kernel: "matmul", dtype: .float64, shape: [2, 3, 4], transposition: "NT",
          backend: "openblas", fingerprint: "here"),
        TimingKey(
          kernel: "norm-apply", dtype: .float64, shape: [5, 6], backend: "swift",
          fingerprint: "here"),
      ])
    #expect(found.map(\.timing.medianNanoseconds) == [4e9, 2e9])
    #expect(found.map(\.timing.spreadNanoseconds) == [1.75e9, 0.5e9])
    #expect(found.map(\.timing.samples) == [3, 2])
  }

  @Test("A run's product has the key that calibrating it has")
  func sameKey() throws {
    let measured = try #require(MatmulProduct(m: 2, n: 3, k: 4, transposition: .second))
    #expect(timings([product: [1]]).map(\.key) == [measured.key(fingerprint: "here")])
  }

  @Test("A planner's table gets one machine's products of one type, in seconds, in order")
  func table() {
    let other = KernelIdentity(kernel: "matmul", shape: [1, 3, 4], transposition: "NN")
    let all =
      timings([product: [0.5], other: [0.25], norm: [1]]) + timings([product: [7]], .float64)
      + timings([product: [8]], on: "elsewhere")
    let found = MatmulTimings.matmulSeconds(from: all, fingerprint: "here", dtype: .float32)
    #expect(found.map { [$0.m, $0.n, $0.k] } == [[1, 3, 4], [2, 3, 4]])
    #expect(found.map(\.transposition) == ["NN", "NT"])
    #expect(found.map(\.seconds) == [0.25, 0.5])
  }
}
