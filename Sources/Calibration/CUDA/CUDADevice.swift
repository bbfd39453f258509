/// A GPU that is in use: the first that the environment shows. Ends its context when it goes.
package final class CUDADevice {
  let driver: CUDADriverFunctions
  private let ordinal: Int32

  /// The first GPU, through the driver that is found along `path`.
  package init(along path: CUDASearchPath) throws(CUDAError) {
    driver = try CUDADriverFunctions(CUDALoader(.driver, along: path))
    let status = driver.initialize(0)
    if status == CUDADriverFunctions.noDevice { throw .noDevice }
    try driver.check(status, "cuInit")
    var count: Int32 = 0
    try driver.check(driver.deviceCount(&count), "cuDeviceGetCount")
    guard count > 0 else { throw .noDevice }
    var ordinal: Int32 = 0
    try driver.check(driver.device(&ordinal, 0), "cuDeviceGet")
    var context: UnsafeMutableRawPointer?
    try driver.check(driver.retainContext(&context, ordinal), "cuDevicePrimaryCtxRetain")
    let isSet = driver.setContext(context)
    if isSet != 0 { _ = driver.releaseContext(ordinal) }
    try driver.check(isSet, "cuCtxSetCurrent")
    self.ordinal = ordinal
  }

  deinit {
    _ = driver.setContext(nil)
    _ = driver.releaseContext(ordinal)
  }

  /// Bytes of memory that nobody holds.
  package func freeBytes() throws(CUDAError) -> Int {
    var (free, total) = (0, 0)
    try driver.check(driver.memory(&free, &total), "cuMemGetInfo_v2")
    return free
  }

  /// Waits for all that was started, and tells whether it went wrong.
  func synchronize() throws(CUDAError) {
    try driver.check(driver.synchronize(), "cuCtxSynchronize")
  }

  /// The product's name.
  func name() throws(CUDAError) -> String {
    var name = [CChar](repeating: 0, count: 256)
    try driver.check(driver.deviceName(&name, Int32(name.count), ordinal), "cuDeviceGetName")
    return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// The CUDA version of the driver, 12040 for 12.4.
  func driverVersion() throws(CUDAError) -> Int {
    var version: Int32 = 0
    try driver.check(driver.driverVersion(&version), "cuDriverGetVersion")
    return Int(version)
  }

  /// What the driver knows of the device, by the numbers of its `CUdevice_attribute`.
  enum Attribute: Int32 {
    /// Kilohertz.
    case clock = 13
    case processors = 16
    /// Bytes.
    case secondLevelCache = 38
    case majorCapability = 75
    case minorCapability = 76
  }

  func value(of attribute: Attribute) throws(CUDAError) -> Int {
    var value: Int32 = 0
    try driver.check(
      driver.attribute(&value, attribute.rawValue, ordinal), "cuDeviceGetAttribute")
    return Int(value)
  }

  /// The compute capability times ten: 90 for 9.0.
  func capability() throws(CUDAError) -> Int {
    try value(of: .majorCapability) * 10 + value(of: .minorCapability)
  }
}
