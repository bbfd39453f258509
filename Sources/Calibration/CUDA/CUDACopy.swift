import PlanIR

/// A copy to be measured on a GPU.
package struct CUDACopy: Hashable, Sendable {
  /// Where from and where to; host memory is such as the device can reach by itself.
  package enum Direction: String, Hashable, Sendable, CaseIterable {
    case within = "copy-device"
    case fromHost = "copy-host-to-device"
    case toHost = "copy-device-to-host"
  }

  package let direction: Direction
  package let count: Int

  /// A copy of `count` bytes, one at least.
  package init(_ direction: Direction, bytes count: Int) {
    (self.direction, self.count) = (direction, max(1, count))
  }

  /// What copies, in keys.
  package static let backend = "cuda"

  /// Under what its time is kept.
  func key(fingerprint: String) -> TimingKey {
    TimingKey(
      kernel: direction.rawValue, dtype: .uint8, shape: [count], backend: Self.backend,
      fingerprint: fingerprint)
  }

  /// Copies in every direction, from what latency decides to what bandwidth does: 4 KiB to 64 MiB.
  package static let all: [CUDACopy] = Direction.allCases.flatMap { direction in
    [12, 16, 20, 23, 26].map { CUDACopy(direction, bytes: 1 << $0) }
  }
}

/// Runs copies on a device.
final class CUDACopyBench {
  private let device: CUDADevice
  private let timer: CUDATimer
  private var ring: CUDARing?
  private var host: CUDAHostBuffer?

  init(_ device: CUDADevice, _ timer: CUDATimer) {
    (self.device, self.timer) = (device, timer)
  }

  /// Makes memory for `copy`.
  func prepare(_ copy: CUDACopy) throws(CUDAError) {
    if (ring?.capacity ?? 0) < 2 * CUDARing.aligned(copy.count) {
      ring = nil
      ring = try CUDARing(window: 2 * CUDARing.aligned(copy.count), dtype: .float32, on: device)
    }
    guard copy.direction != .within, (host?.bytes ?? 0) < copy.count else { return }
    host = nil
    host = try CUDAHostBuffer(bytes: copy.count, for: device)
  }

  /// Gives all memory back.
  func free() { (ring, host) = (nil, nil) }

  /// Seconds of `repetitions` runs of `copy`, after ``prepare(_:)`` for it.
  func seconds(of copy: CUDACopy, repetitions: Int) throws(CUDAError) -> Double {
    try timer.seconds { () throws(CUDAError) in
      for _ in 0..<repetitions { try start(copy) }
    }
  }

  private func start(_ copy: CUDACopy) throws(CUDAError) {
    guard let ring else { preconditionFailure("a copy without memory") }
    let (driver, count) = (device.driver, copy.count)
    switch (copy.direction, host) {
    case (.within, _):
      let from = ring.window(bytes: CUDARing.aligned(count) + count)
      try driver.check(
        driver.startCopy(from + UInt64(CUDARing.aligned(count)), from, count, nil),
        "cuMemcpyDtoDAsync_v2")
    case (.fromHost, let host?):
      try driver.check(
        driver.startUpload(ring.window(bytes: count), host.base, count, nil),
        "cuMemcpyHtoDAsync_v2")
    case (.toHost, let host?):
      try driver.check(
        driver.startDownload(host.base, ring.window(bytes: count), count, nil),
        "cuMemcpyDtoHAsync_v2")
    case (.fromHost, nil), (.toHost, nil): preconditionFailure("a copy without host memory")
    }
  }
}
