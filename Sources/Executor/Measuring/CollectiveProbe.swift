import Dispatch
import Foundation
import Kernels
package import PlanIR
import Synchronization

/// One collective among threads, to be run by itself, over and over: by several groups side by side where these have fewer
/// threads than share the cores of a small machine in a run, so that who waits leaves its core to another, as there.
///
/// Before each run every thread writes what it sends, as the kernels of a step do, and touches as much memory as
/// a core's nearer caches have, which is not timed: threads come one after the other, each finding in the caches what it
/// wrote and little else.
package struct CollectiveProbe: Hashable, Sendable {
  /// What moves.
  package enum Pattern: String, Hashable, Sendable, CaseIterable {
    case allGather = "all-gather"
    case reduceScatter = "reduce-scatter"
    case allReduce = "all-reduce"
    case broadcast, reduce
    case allToAll = "all-to-all"
    case permute
  }

  package let pattern: Pattern
  /// Devices of a group, each a thread.
  package let devices: Int
  /// Groups that run it at the same time.
  package let groups: Int
  /// Elements of the whole buffer, a multiple of ``devices``; of all-to-all and permute what one device
  /// holds.
  package let elements: Int
  /// float32 or float64.
  package let dtype: DType

  /// A collective among `devices` threads, two at least, on `elements`, less what they do not divide but
  /// one each at least; of as many groups as take two threads for each of `cores`, but no more than 16.
  package init(
    _ pattern: Pattern, devices: Int, elements: Int, dtype: DType = .float32,
    cores: Int = ProcessInfo.processInfo.activeProcessorCount
  ) {
    self.pattern = pattern
    self.devices = max(2, devices)
    groups = max(1, min(2 * cores, Self.threads) / self.devices)
    self.elements = max(1, elements / self.devices) * self.devices
    self.dtype = dtype
  }

  /// Threads of groups that run side by side at most.
  private static let threads = 16

  /// Bytes that all devices hold meanwhile.
  package var bytes: Int { groups * devices * (from + into * results) * dtype.width }

  /// Buffers that results go to in turns: what is large lies where a thread has not been for long.
  private var results: Int { into * dtype.width > Self.touched ? 4 : 1 }

  private var share: Int { elements / devices }
  private var from: Int { pattern == .allGather ? share : elements }
  private var into: Int { pattern == .reduceScatter ? share : elements }

  /// Runs the collective once to warm up and to gather the threads, then `repetitions` times.
  ///
  /// - Parameter repetitions: How often it is timed.
  /// - Returns: CPU seconds of each device's thread, in the order of devices, group after group, of all repetitions.
  /// - Throws: ``RunError`` where memory is short.
  package func seconds(repetitions: Int) throws(RunError) -> [Double] {
    let mesh = Mesh([MeshAxis("group", groups), MeshAxis("data", devices)])
    let axes = mesh.whole("data")
    let fabric = Fabric(mesh: mesh, over: [axes])
    let times = Mutex<[Double?]>(Array(repeating: nil, count: groups * devices))
    let failures = Mutex<[RunError]>([])
    let shared = Shared(times: times, failures: failures, done: DispatchSemaphore(value: 0))
    for device in 0..<groups * devices {
      let thread = Thread {
        do throws(RunError) {
          let own = try time(device, repetitions, fabric, axes)
          shared.times.withLock { $0[device] = own }
        } catch {
          shared.failures.withLock { $0.append(error) }
          fabric.stop()
        }
        shared.done.signal()
      }
      thread.name = "device \(device)"
      thread.start()
    }
    for _ in 0..<groups * devices { shared.done.wait() }
    if let failure = shared.failures.withLock({ $0.first }) { throw failure }
    return shared.times.withLock { $0.compactMap(\.self) }
  }

  /// What the threads leave.
  private final class Shared: Sendable {
    let times: Mutex<[Double?]>
    let failures: Mutex<[RunError]>
    let done: DispatchSemaphore

    init(
      times: consuming Mutex<[Double?]>, failures: consuming Mutex<[RunError]>,
      done: DispatchSemaphore
    ) {
      self.times = times
      self.failures = failures
      self.done = done
    }
  }

  private func time(
    _ device: Int, _ repetitions: Int, _ fabric: Fabric, _ axes: [AxisReference]
  ) throws(RunError) -> Double {
    let arena = try Arena(
      capacity: (from + (into + 64) * results) * dtype.width + Self.touched + 128)
    let between = try HostBuffer(
      dtype: .float32, count: Self.touched / 4, plannedBytes: 0, arena: arena)
    let source = try buffer(from, arena)
    var operands: [CollectiveOperands] = []
    for _ in 0..<results {
      operands.append(
        CollectiveOperands(
          from: source, into: try buffer(into, arena), fromSizes: sizes(from),
          intoSizes: pattern == .allToAll ? [1, into] : sizes(into), dimensions: [.batch, .hidden],
          plannedWidth: dtype.width))
    }
    let participation = try fabric.participation(in: collective, over: axes, of: device)
    try fabric.run(participation, operands[0])
    let reading = ThreadClock.reading
    var total = 0.0
    for round in 0..<repetitions {
      ElementwiseKernels.zero(between.view)
      ElementwiseKernels.zero(source.view)
      let operands = operands[round % results]
      let start = ThreadClock.now
      try fabric.run(participation, operands)
      total += max(0, ThreadClock.now - start - reading)
    }
    return total
  }

  /// Bytes that a thread writes between two collectives: half of the second cache of a core of most servers.
  private static let touched = 512 << 10

  private func buffer(_ count: Int, _ arena: Arena) throws(RunError) -> HostBuffer {
    let buffer = try HostBuffer(
      dtype: dtype, count: count, plannedBytes: count * dtype.width, arena: arena)
    ElementwiseKernels.zero(buffer.view)
    return buffer
  }

  private func sizes(_ count: Int) -> [Int] {
    pattern == .allToAll ? [devices, count / devices] : [count, 1]
  }

  private var collective: Collective {
    switch pattern {
    case .allGather: .allGather(.batch)
    case .reduceScatter: .reduceScatter(.batch, .sum)
    case .allReduce: .allReduce(.sum)
    case .broadcast: .broadcast(root: DeviceExpression(0))
    case .reduce: .reduce(root: DeviceExpression(0), .sum)
    case .allToAll: .allToAll(split: .batch, concatenate: .hidden)
    case .permute: .permute(shift: 1)
    }
  }
}
