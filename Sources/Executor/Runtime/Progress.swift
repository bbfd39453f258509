import PlanIR
import Synchronization

/// What every device is doing, for the watchdog and for errors.
///
/// Devices note each collective they enter and leave, so a note takes no lock that another device
/// takes, and no text is made until one is wanted.
final class Progress: Sendable {
  private let devices: [DeviceProgress]
  private let bodies: [Body]
  private let mesh: Mesh
  private let failed = Mutex<RunError?>(nil)

  /// Where a device waits: an instruction of a call.
  struct Place {
    var body, instruction, layer, microBatch: Int
  }

  /// One device's progress, written by its thread alone.
  private final class DeviceProgress: Sendable {
    let body = Atomic(-1)
    let instruction = Atomic(0)
    let layer = Atomic(0)
    let microBatch = Atomic(0)
    let isWaiting = Atomic(false)
    let isDone = Atomic(false)
    let changes = Atomic(0)
  }

  /// The progress of a run of `program`.
  init(_ program: Program) {
    devices = (0..<program.mesh.deviceCount).map { _ in DeviceProgress() }
    bodies = program.bodies
    mesh = program.mesh
  }

  /// Notes that `device` begins to wait in the collective at `place`.
  func enter(_ device: Int, _ place: Place) {
    let progress = devices[device]
    progress.body.store(place.body, ordering: .relaxed)
    progress.instruction.store(place.instruction, ordering: .relaxed)
    progress.layer.store(place.layer, ordering: .relaxed)
    progress.microBatch.store(place.microBatch, ordering: .relaxed)
    progress.isWaiting.store(true, ordering: .relaxed)
    progress.changes.add(1, ordering: .releasing)
  }

  /// Notes that `device` has come out of a collective.
  func leave(_ device: Int) {
    devices[device].isWaiting.store(false, ordering: .relaxed)
    devices[device].changes.add(1, ordering: .releasing)
  }

  /// Notes that `device` has ended, and why if it failed. The first failure is kept.
  func finish(_ device: Int, failure: RunError?) {
    if let failure, failure != .stopped { fail(failure) }
    devices[device].isDone.store(true, ordering: .releasing)
    devices[device].changes.add(1, ordering: .releasing)
  }

  var failure: RunError? { failed.withLock { $0 } }

  var isDone: Bool { devices.allSatisfy { $0.isDone.load(ordering: .acquiring) } }

  /// The number of changes so far, and where every device waits if all that run do.
  var standstill: (changes: Int, waiting: [String]?) {
    let changes = devices.reduce(0) { $0 + $1.changes.load(ordering: .acquiring) }
    let running = devices.indices.filter { !devices[$0].isDone.load(ordering: .acquiring) }
    let isStill =
      !running.isEmpty && running.allSatisfy { devices[$0].isWaiting.load(ordering: .relaxed) }
    return (changes, isStill ? running.map { "device \($0) waits in \(step(of: $0))" } : nil)
  }

  private func step(of device: Int) -> String {
    let progress = devices[device]
    let place = progress.body.load(ordering: .relaxed)
    guard bodies.indices.contains(place) else { return "start" }
    let body = bodies[place]
    let layer = progress.layer.load(ordering: .relaxed)
    let microBatch = progress.microBatch.load(ordering: .relaxed)
    let call = "\(body.name) of layer \(layer), micro-batch \(microBatch)"
    let instruction = progress.instruction.load(ordering: .relaxed)
    guard body.instructions.indices.contains(instruction) else { return call }
    switch body.instructions[instruction] {
    case .start(_, let collective, let axes, let from, _):
      return
        "\(call), \(collective.name) over \(mesh.name(of: axes)) of \(body.buffers[from].name)"
    case .receive(let buffer, _): return "\(call), receiving \(body.buffers[buffer].name)"
    case .settle(let buffer, _): return "\(call), sending \(body.buffers[buffer].name)"
    default: return call
    }
  }

  /// Records the run's failure; the first is kept.
  func fail(_ failure: RunError) {
    failed.withLock { if $0 == nil { $0 = failure } }
  }
}
