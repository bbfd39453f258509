/// Memory of the device, freed when it goes.
package final class CUDABuffer {
  package let bytes: Int
  let address: UInt64
  private let device: CUDADevice

  /// Memory of `bytes` bytes, whatever they hold.
  package init(bytes: Int, on device: CUDADevice) throws(CUDAError) {
    (self.bytes, self.device) = (bytes, device)
    var address: UInt64 = 0
    let status = device.driver.allocate(&address, bytes)
    if status == CUDADriverFunctions.outOfMemory {
      throw .outOfMemory(bytes: bytes, call: "cuMemAlloc_v2")
    }
    try device.driver.check(status, "cuMemAlloc_v2")
    self.address = address
  }

  deinit { _ = device.driver.free(address) }

  /// Writes `data` at the start.
  package func upload(_ data: UnsafeRawBufferPointer) throws(CUDAError) {
    precondition(data.count <= bytes, "\(data.count) bytes into \(bytes)")
    guard let base = data.baseAddress else { return }
    try device.driver.check(device.driver.upload(address, base, data.count), "cuMemcpyHtoD_v2")
  }

  /// Fills `data` with what stands at the start.
  package func download(_ data: UnsafeMutableRawBufferPointer) throws(CUDAError) {
    precondition(data.count <= bytes, "\(data.count) bytes of \(bytes)")
    guard let base = data.baseAddress else { return }
    try device.driver.check(
      device.driver.download(base, address, data.count), "cuMemcpyDtoH_v2")
  }

  /// Writes `block` over and over until the end. The device copies what is there, twice as much each time.
  func fill(repeating block: UnsafeRawBufferPointer) throws(CUDAError) {
    let first = min(block.count, bytes)
    try upload(UnsafeRawBufferPointer(rebasing: block[..<first]))
    var done = first
    while done < bytes {
      let count = min(done, bytes - done)
      try device.driver.check(
        device.driver.startCopy(address + UInt64(done), address, count, nil),
        "cuMemcpyDtoDAsync_v2")
      done += count
    }
    try device.synchronize()
  }
}

/// Memory of the host that the device can copy from and to by itself, freed when it goes.
final class CUDAHostBuffer {
  let bytes: Int
  let base: UnsafeMutableRawPointer
  private let device: CUDADevice

  /// Memory of `bytes` bytes that stays in place.
  init(bytes: Int, for device: CUDADevice) throws(CUDAError) {
    (self.bytes, self.device) = (bytes, device)
    var base: UnsafeMutableRawPointer?
    let status = device.driver.allocateHost(&base, bytes, 0)
    if status == CUDADriverFunctions.outOfMemory {
      throw .outOfMemory(bytes: bytes, call: "cuMemHostAlloc")
    }
    try device.driver.check(status, "cuMemHostAlloc")
    guard let base else { preconditionFailure("memory without an address") }
    self.base = base
  }

  deinit { _ = device.driver.freeHost(base) }
}
