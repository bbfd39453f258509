import Dispatch
import Foundation
import Kernels
import PlanIR
import Synchronization

/// How much longer threads that meet take of all cores by the clock than their kernels take one thread by itself.
///
/// Kernels are measured by CPU time with all other cores idle. In a step all cores work, which slows down those that have
/// caches, memory or a whole core in common, as hyperthreads have, which a virtual machine may be given for cores; threads
/// that take turns on a core find less of theirs in its caches; and threads that meet leave cores idle, as the last to come
/// has others wait, and waking them takes time.
///
/// Threads compute two products and an activation of a small layer, whose weights are not in a core's nearer caches, and
/// meet in an all-reduce of a few numbers, over and over; one thread by itself does the same before and after. CPU time of
/// meeting is left out: collectives have prices of their own.
package struct SharingProbe: Hashable, Sendable {
  /// Threads that share the cores.
  package let devices: Int
  /// Seconds of a thread by itself that a time is of.
  package static let unit = 1e-3
  /// The kernel's name in keys.
  package static let name = "sharing"

  /// Seconds of the clock that one time takes, on cores that are fast.
  package static let leastSeconds = 0.25

  /// Bytes that all threads hold.
  package var bytes: Int { devices * SharedLayer.bytes }

  /// A run of `devices` threads, two at least.
  package init(devices: Int) { self.devices = max(2, devices) }

  /// Runs threads together and one by itself in turns: how fast cores are changes from moment to moment.
  ///
  /// - Parameter repetitions: How many times are added up.
  /// - Returns: Seconds by the clock that threads take of all cores, each having its share of them, for what takes one
  ///   thread ``unit``.
  /// - Throws: ``RunError`` where memory is short.
  package func seconds(repetitions: Int) throws(RunError) -> Double {
    let cores = min(ProcessInfo.processInfo.activeProcessorCount, devices)
    var total = 0.0
    for _ in 0..<repetitions {
      var (alone, together) = (try span(of: 1).kernels, 0.0)
      for _ in 0..<Self.turns {
        let all = try span(of: devices)
        together += all.clock * Double(cores) / Double(devices) - all.meeting
        alone = min(alone, try span(of: 1).kernels)
      }
      total += together / Double(Self.turns) / alone * Self.unit
    }
    return total
  }

  /// How often threads are run together for one time.
  private static let turns = 3

  /// What kernels and meeting take a thread on average, by CPU time, and until all are done, by the clock.
  private struct Span {
    var kernels = 0.0
    var meeting = 0.0
    var clock = 0.0
  }

  private func span(of threads: Int) throws(RunError) -> Span {
    let mesh = Mesh([MeshAxis("data", threads)])
    let shared = Shared(Fabric(mesh: mesh, over: [mesh.whole("data")]))
    for device in 0..<threads {
      let thread = Thread {
        do throws(RunError) {
          let span = try time(try SharedLayer(shared.fabric, device))
          shared.spans.withLock { $0.append(span) }
        } catch {
          shared.failures.withLock { $0.append(error) }
          shared.fabric.stop()
        }
        shared.done.signal()
      }
      thread.name = "device \(device)"
      thread.start()
    }
    for _ in 0..<threads { shared.done.wait() }
    if let failure = shared.failures.withLock({ $0.first }) { throw failure }
    let spans = shared.spans.withLock { $0 }
    return Span(
      kernels: spans.reduce(0) { $0 + $1.kernels } / Double(threads),
      meeting: spans.reduce(0) { $0 + $1.meeting } / Double(threads),
      clock: spans.reduce(0) { max($0, $1.clock) })
  }

  private func time(_ layer: SharedLayer) throws(RunError) -> Span {
    // Faults memory in, and gathers the threads.
    for round in 0..<SharedLayer.count { layer.compute(round) }
    try layer.meet()
    let begin = DispatchTime.now().uptimeNanoseconds
    var span = Span()
    for round in 0..<Self.rounds {
      let start = ThreadClock.now
      layer.compute(round)
      let computed = ThreadClock.now
      try layer.meet()
      span.kernels += computed - start
      span.meeting += ThreadClock.now - computed
    }
    span.clock = Double(DispatchTime.now().uptimeNanoseconds - begin) * 1e-9
    return span
  }

  /// Some tens of milliseconds of a core.
  private static let rounds = 24

  /// What threads have in common, and what they leave.
  private final class Shared: Sendable {
    let fabric: Fabric
    let spans = Mutex<[Span]>([])
    let failures = Mutex<[RunError]>([])
    let done = DispatchSemaphore(value: 0)

    init(_ fabric: Fabric) { self.fabric = fabric }
  }
}

/// A small layer of which a thread computes part after part, and where it meets others in between.
private struct SharedLayer {
  /// How many have weights of their own: more than the nearer caches of a core hold.
  static let count = 8
  private static let (tokens, hidden, wide) = (128, 256, 512)

  private let weights, values: [HostBuffer]
  private let input, inner: HostBuffer
  private let fabric: Fabric
  private let participation: Fabric.Participation
  private let operands: CollectiveOperands

  private static let weight = hidden * wide
  private static let value = tokens * wide

  /// What a thread holds of it: all buffers, each aligned.
  static let bytes =
    (count * (weight + value) + 2 * value + 2 * met) * DType.float32.width + 64 * (2 * count + 4)

  /// That of `device`.
  init(_ fabric: Fabric, _ device: Int) throws(RunError) {
    let (weight, value) = (Self.weight, Self.value)
    let arena = try Arena(capacity: Self.bytes)
    func buffer(_ count: Int) throws(RunError) -> HostBuffer {
      let buffer = try HostBuffer(dtype: .float32, count: count, plannedBytes: 0, arena: arena)
      ElementwiseKernels.zero(buffer.view)
      return buffer
    }
    var (weights, values): ([HostBuffer], [HostBuffer]) = ([], [])
    for _ in 0..<Self.count {
      weights.append(try buffer(weight))
      values.append(try buffer(value))
    }
    (self.weights, self.values, self.fabric) = (weights, values, fabric)
    (input, inner) = (try buffer(Self.tokens * Self.hidden), try buffer(value))
    operands = CollectiveOperands(
      from: try buffer(Self.met), into: try buffer(Self.met), fromSizes: [Self.met, 1],
      intoSizes: [Self.met, 1], dimensions: [.batch, .hidden],
      plannedWidth: DType.float32.width)
    participation = try fabric.participation(
      in: .allReduce(.sum), over: fabric.mesh.whole("data"), of: device)
  }

  /// Numbers that threads meet over.
  private static let met = 64

  /// Computes one of the layers.
  func compute(_ round: Int) {
    let (weight, value) = (weights[round % Self.count], values[round % Self.count])
    let (tokens, hidden, wide) = (Self.tokens, Self.hidden, Self.wide)
    MatmulKernels.multiply(
      input.view, weight.view, into: inner.view, m: tokens, n: wide, k: hidden)
    ActivationKernels.forward(.silu, inner.view, into: value.view)
    MatmulKernels.multiply(
      value.view, weight.view, into: input.view, m: tokens, n: hidden, k: wide, transposeB: true)
  }

  /// Waits for all threads.
  func meet() throws(RunError) { try fabric.run(participation, operands) }
}
