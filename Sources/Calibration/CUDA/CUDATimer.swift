/// Times what the device does between two events, to half a microsecond.
final class CUDATimer {
  private let device: CUDADevice
  private var start: UnsafeMutableRawPointer?
  private var end: UnsafeMutableRawPointer?

  /// A timer of `device`.
  init(_ device: CUDADevice) throws(CUDAError) {
    self.device = device
    try device.driver.check(device.driver.createEvent(&start, 0), "cuEventCreate")
    try device.driver.check(device.driver.createEvent(&end, 0), "cuEventCreate")
  }

  deinit {
    for event in [start, end] where event != nil { _ = device.driver.destroyEvent(event) }
  }

  /// Seconds that the device takes for what `body` starts.
  func seconds(_ body: () throws(CUDAError) -> Void) throws(CUDAError) -> Double {
    let driver = device.driver
    try driver.check(driver.recordEvent(start, nil), "cuEventRecord")
    try body()
    try driver.check(driver.recordEvent(end, nil), "cuEventRecord")
    try driver.check(driver.awaitEvent(end), "cuEventSynchronize")
    var milliseconds: Float = 0
    try driver.check(driver.elapsed(&milliseconds, start, end), "cuEventElapsedTime")
    return Double(milliseconds) * 1e-3
  }
}
