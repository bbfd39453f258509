/// The entry points of libcuda that are used: CUDA's driver API, as its reference manual gives them.
///
/// Every function returns a `CUresult`, 0 for success. Addresses on the device are 64-bit numbers. A null
/// stream is the default one, in which everything here is ordered.
struct CUDADriverFunctions {
  typealias Handle = UnsafeMutableRawPointer
  typealias Address = UInt64
  typealias Destroy = @convention(c) (Handle?) -> Int32

  let initialize: @convention(c) (_ flags: UInt32) -> Int32
  let driverVersion: @convention(c) (UnsafeMutablePointer<Int32>) -> Int32
  let errorName: @convention(c) (Int32, UnsafeMutablePointer<UnsafePointer<CChar>?>) -> Int32
  let errorText: @convention(c) (Int32, UnsafeMutablePointer<UnsafePointer<CChar>?>) -> Int32

  let deviceCount: @convention(c) (UnsafeMutablePointer<Int32>) -> Int32
  let device: @convention(c) (UnsafeMutablePointer<Int32>, _ ordinal: Int32) -> Int32
  let deviceName: @convention(c) (UnsafeMutablePointer<CChar>, _ bytes: Int32, Int32) -> Int32
  let attribute: @convention(c) (UnsafeMutablePointer<Int32>, _ which: Int32, Int32) -> Int32
  let retainContext: @convention(c) (UnsafeMutablePointer<Handle?>, Int32) -> Int32
  let releaseContext: @convention(c) (Int32) -> Int32
  let setContext: Destroy
  let synchronize: @convention(c) () -> Int32

  let memory: @convention(c) (_ free: UnsafeMutablePointer<Int>, UnsafeMutablePointer<Int>) -> Int32
  let allocate: @convention(c) (UnsafeMutablePointer<Address>, _ bytes: Int) -> Int32
  let free: @convention(c) (Address) -> Int32
  let allocateHost:
    @convention(c) (UnsafeMutablePointer<Handle?>, _ bytes: Int, _ flags: UInt32) -> Int32
  let freeHost: Destroy
  let upload: @convention(c) (Address, UnsafeRawPointer, _ bytes: Int) -> Int32
  let download: @convention(c) (Handle, Address, _ bytes: Int) -> Int32
  let startUpload: @convention(c) (Address, UnsafeRawPointer, _ bytes: Int, Handle?) -> Int32
  let startDownload: @convention(c) (Handle, Address, _ bytes: Int, Handle?) -> Int32
  let startCopy: @convention(c) (Address, _ from: Address, _ bytes: Int, Handle?) -> Int32

  let createEvent: @convention(c) (UnsafeMutablePointer<Handle?>, _ flags: UInt32) -> Int32
  let recordEvent: @convention(c) (Handle?, _ stream: Handle?) -> Int32
  let awaitEvent: Destroy
  let elapsed:
    @convention(c) (_ milliseconds: UnsafeMutablePointer<Float>, Handle?, Handle?) -> Int32
  let destroyEvent: Destroy

  let loadModule: @convention(c) (UnsafeMutablePointer<Handle?>, UnsafeRawPointer) -> Int32
  let moduleFunction:
    @convention(c) (UnsafeMutablePointer<Handle?>, Handle?, UnsafePointer<CChar>) -> Int32
  let unloadModule: Destroy
  let launch:
    @convention(c) (
      Handle?, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, _ sharedBytes: UInt32,
      _ stream: Handle?, UnsafeMutablePointer<Handle?>?, UnsafeMutablePointer<Handle?>?
    ) -> Int32

  init(_ library: CUDALoader) throws(CUDAError) {
    initialize = try library.function("cuInit")
    driverVersion = try library.function("cuDriverGetVersion")
    errorName = try library.function("cuGetErrorName")
    errorText = try library.function("cuGetErrorString")
    deviceCount = try library.function("cuDeviceGetCount")
    device = try library.function("cuDeviceGet")
    deviceName = try library.function("cuDeviceGetName")
    attribute = try library.function("cuDeviceGetAttribute")
    retainContext = try library.function("cuDevicePrimaryCtxRetain")
    releaseContext = try library.function("cuDevicePrimaryCtxRelease_v2")
    setContext = try library.function("cuCtxSetCurrent")
    synchronize = try library.function("cuCtxSynchronize")
    memory = try library.function("cuMemGetInfo_v2")
    allocate = try library.function("cuMemAlloc_v2")
    free = try library.function("cuMemFree_v2")
    allocateHost = try library.function("cuMemHostAlloc")
    freeHost = try library.function("cuMemFreeHost")
    upload = try library.function("cuMemcpyHtoD_v2")
    download = try library.function("cuMemcpyDtoH_v2")
    startUpload = try library.function("cuMemcpyHtoDAsync_v2")
    startDownload = try library.function("cuMemcpyDtoHAsync_v2")
    startCopy = try library.function("cuMemcpyDtoDAsync_v2")
    createEvent = try library.function("cuEventCreate")
    recordEvent = try library.function("cuEventRecord")
    awaitEvent = try library.function("cuEventSynchronize")
    elapsed = try library.function("cuEventElapsedTime")
    destroyEvent = try library.function("cuEventDestroy_v2")
    loadModule = try library.function("cuModuleLoadData")
    moduleFunction = try library.function("cuModuleGetFunction")
    unloadModule = try library.function("cuModuleUnload")
    launch = try library.function("cuLaunchKernel")
  }

  /// Succeeds where `status` is 0, else throws the error that the driver names.
  func check(_ status: Int32, _ call: String) throws(CUDAError) {
    guard status != 0 else { return }
    throw .failed(
      call: call, name: text(errorName, status) ?? "error \(status)",
      explanation: text(errorText, status) ?? "")
  }

  /// What a driver says that has no memory left.
  static let outOfMemory: Int32 = 2
  /// What it says where there is no GPU.
  static let noDevice: Int32 = 100

  private func text(
    _ ask: @convention(c) (Int32, UnsafeMutablePointer<UnsafePointer<CChar>?>) -> Int32,
    _ status: Int32
  ) -> String? {
    var answer: UnsafePointer<CChar>?
    guard ask(status, &answer) == 0 else { return nil }
    return answer.map { String(cString: $0) }
  }
}
