import Kernels
import PlanIR
import Testing

@Suite struct MatmulKernelsTests {
  static let shapes = [
    (1, 1, 1), (1, 7, 3), (5, 1, 9), (3, 5, 1), (2, 3, 4), (15, 17, 13), (16, 16, 16),
    (31, 33, 65), (64, 1, 64), (1, 129, 257), (63, 65, 127), (100, 3, 200), (7, 250, 11),
    (129, 131, 255), (160, 81, 257),
  ]

  @Test(arguments: shapes, precisions)
  func `products agree with the triple loop in every orientation`(
    _ shape: (Int, Int, Int), _ dtype: DType
  ) {
    let (m, n, k) = shape
    for (transposeA, transposeB) in [(false, false), (false, true), (true, false), (true, true)] {
      let error = SelfCheck.largestError(dtype, m, n, k, transposeA, transposeB)
      #expect(error <= SelfCheck.tolerance(dtype, k), "\(shape) \(transposeA) \(transposeB)")
    }
  }

  @Test(arguments: precisions)
  func `accumulating adds to what is there`(_ dtype: DType) {
    let draw = Draw(seed: 3, dtype: dtype)
    let (a, b, c) = (draw.numbers(6, "a"), draw.numbers(8, "b"), draw.numbers(12, "c"))
    let output = Tensor(c, dtype)
    MatmulKernels.multiply(
      Tensor(a, dtype).view, Tensor(b, dtype).view, into: output.view, m: 3, n: 4, k: 2,
      accumulate: true)
    let product = Naive.multiply(a, b, m: 3, n: 4, k: 2, transposeA: false, transposeB: false)
    expectClose(output.values, zip(c, product).map(+), draw)
  }

  @Test(arguments: precisions)
  func `a sum of no terms is zero, or leaves what it accumulates into`(_ dtype: DType) {
    let (none, output) = (Tensor([], dtype), Tensor([1, 2], dtype))
    MatmulKernels.multiply(
      none.view, none.view, into: output.view, m: 1, n: 2, k: 0, accumulate: true)
    #expect(output.values == [1, 2])
    MatmulKernels.multiply(none.view, none.view, into: output.view, m: 1, n: 2, k: 0)
    #expect(output.values == [0, 0])
    MatmulKernels.multiply(output.view, none.view, into: none.view, m: 1, n: 0, k: 2)
    MatmulKernels.multiply(none.view, output.view, into: none.view, m: 0, n: 1, k: 2)
    #expect(output.values == [0, 0])
  }

  @Test func `the self-check passes here`() throws { try SelfCheck.run() }

  @Test func `the library is the threaded OpenBLAS, which obeys its thread count`() {
    #expect(BLASLibrary.threading == .pthread)
    BLASLibrary.setThreads(1)
    #expect(BLASLibrary.threads == 1)
    #expect(BLASLibrary.configuration.contains("OpenBLAS"))
    #expect(!BLASLibrary.core.isEmpty)
  }

  @Test func `threads that were ended are made again for a product that wants several`() async {
    // In a process of its own: other tests must not lose theirs.
    await #expect(processExitsWith: .success) {
      BLASLibrary.setThreads(2)
      for _ in 0..<2 {
        BLASLibrary.endIdleThreads()
        precondition(BLASLibrary.threads == 2, "\(BLASLibrary.threads) threads")
        let error = SelfCheck.largestError(.float64, 300, 301, 302, false, true)
        precondition(error <= SelfCheck.tolerance(.float64, 302), "an error of \(error)")
      }
    }
  }

  @Test func `a miscomputing core is named with what to try`() {
    let text = KernelError.miscomputes(core: "Zen").description
    #expect(text.contains("its Zen kernels"))
    #expect(text.contains("OPENBLAS_CORETYPE"))
  }
}
