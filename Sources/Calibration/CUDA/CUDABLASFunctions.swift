/// The entry points of libcublas that are used, as cuBLAS's manual gives them from CUDA 11 on.
///
/// Every function returns a `cublasStatus_t`, 0 for success.
struct CUDABLASFunctions {
  typealias Handle = UnsafeMutableRawPointer

  let create: @convention(c) (UnsafeMutablePointer<Handle?>) -> Int32
  let destroy: @convention(c) (Handle?) -> Int32
  let version: @convention(c) (Handle?, UnsafeMutablePointer<Int32>) -> Int32
  /// C (m x n) = alpha op(A) op(B) + beta C, all by columns: cublasGemmEx.
  let multiply:
    @convention(c) (
      Handle?, _ transposeA: Int32, _ transposeB: Int32, _ m: Int32, _ n: Int32, _ k: Int32,
      _ alpha: UnsafeRawPointer, _ a: UInt64, _ typeOfA: Int32, _ strideOfA: Int32,
      _ b: UInt64, _ typeOfB: Int32, _ strideOfB: Int32, _ beta: UnsafeRawPointer, _ c: UInt64,
      _ typeOfC: Int32, _ strideOfC: Int32, _ arithmetic: Int32, _ algorithm: Int32
    ) -> Int32

  init(_ library: CUDALoader) throws(CUDAError) {
    create = try library.function("cublasCreate_v2")
    destroy = try library.function("cublasDestroy_v2")
    version = try library.function("cublasGetVersion_v2")
    multiply = try library.function("cublasGemmEx")
  }

  /// Succeeds where `status` is 0.
  func check(_ status: Int32, _ call: String) throws(CUDAError) {
    guard status != 0 else { return }
    throw .failed(
      call: call, name: Self.names[status] ?? "status \(status)", explanation: "")
  }

  /// `cublasStatus_t`; the library itself names them only from CUDA 11.4 on.
  private static let names: [Int32: String] = [
    1: "CUBLAS_STATUS_NOT_INITIALIZED", 3: "CUBLAS_STATUS_ALLOC_FAILED",
    7: "CUBLAS_STATUS_INVALID_VALUE", 8: "CUBLAS_STATUS_ARCH_MISMATCH",
    11: "CUBLAS_STATUS_MAPPING_ERROR", 13: "CUBLAS_STATUS_EXECUTION_FAILED",
    14: "CUBLAS_STATUS_INTERNAL_ERROR", 15: "CUBLAS_STATUS_NOT_SUPPORTED",
    16: "CUBLAS_STATUS_LICENSE_ERROR",
  ]
}
