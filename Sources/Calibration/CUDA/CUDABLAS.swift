/// cuBLAS on a device; ends its handle when it goes.
package final class CUDABLAS {
  private let functions: CUDABLASFunctions
  /// Kept so that the context outlives the handle.
  private let device: CUDADevice
  private let handle: UnsafeMutableRawPointer?

  /// cuBLAS for `device`, through the library that is found along `path`.
  package init(_ device: CUDADevice, along path: CUDASearchPath) throws(CUDAError) {
    self.device = device
    // Its own dependency, where it lies beside it in a folder that the system does not search.
    _ = try? CUDALoader(.blasLight, along: path)
    functions = try CUDABLASFunctions(CUDALoader(.blas, along: path))
    var handle: UnsafeMutableRawPointer?
    try functions.check(functions.create(&handle), "cublasCreate_v2")
    self.handle = handle
  }

  deinit { _ = functions.destroy(handle) }

  /// The library's number of itself.
  func version() throws(CUDAError) -> Int {
    var version: Int32 = 0
    try functions.check(functions.version(handle, &version), "cublasGetVersion_v2")
    return Int(version)
  }

  /// Starts c = op(a) op(b), all stored by rows, at these addresses.
  ///
  /// cuBLAS stores by columns, where memory by rows reads as the transposed matrix. So it is asked for
  /// transposed c = transposed op(b) times transposed op(a): operands swapped, m and n too, and each
  /// transposed exactly where it is stored transposed.
  func multiply(_ task: CUDAProduct, _ a: UInt64, _ b: UInt64, into c: UInt64) throws(CUDAError) {
    let (product, type) = (task.product, task.arithmetic.dataType)
    let (m, n, k) = (Int32(product.m), Int32(product.n), Int32(product.k))
    let transposesA = product.transposition.transposesFirst
    let transposesB = product.transposition.transposesSecond
    var (alpha, beta): (Float, Float) = (1, 0)
    let status = functions.multiply(
      handle, transposesB ? 1 : 0, transposesA ? 1 : 0, n, m, k, &alpha,
      b, type, transposesB ? k : n, a, type, transposesA ? m : k, &beta,
      c, type, n, task.arithmetic.computeType, Self.chosenByLibrary)
    try functions.check(status, "cublasGemmEx")
  }

  /// c = op(a) op(b), all stored by rows, in whole buffers; waits for it.
  package func multiply(
    _ task: CUDAProduct, _ a: CUDABuffer, _ b: CUDABuffer, into c: CUDABuffer
  ) throws(CUDAError) {
    precondition(a.bytes >= task.aBytes && b.bytes >= task.bBytes && c.bytes >= task.cBytes)
    try multiply(task, a.address, b.address, into: c.address)
    try device.synchronize()
  }

  /// `CUBLAS_GEMM_DEFAULT`: the library's heuristics choose the algorithm.
  private static let chosenByLibrary: Int32 = -1
}
